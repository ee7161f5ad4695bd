package signature

import "testing"

func BenchmarkSignCall(b *testing.B) {
	s := newSigner(b)
	c := Call{Task: "order-7", Attempt: 2, Generation: 9, Method: "POST", URL: receiver + "/orders?id=7"}
	body := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.SignCall(c, body, timeout); err != nil {
			b.Fatal(err)
		}
	}
}
