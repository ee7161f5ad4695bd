package dispatch_test

import (
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

func TestParseCodeRange(t *testing.T) {
	for _, test := range []struct {
		in   string
		want string // how it is written again; "" where it is refused
	}{
		{"204", "204"}, {"100", "100"}, {"599", "599"},
		{"2xx", "2xx"}, {"4XX", "4xx"}, {"200-299", "2xx"},
		{"200-204", "200-204"}, {"204-204", "204"}, {"199-500", "199-500"},
		{"", ""}, {"0", ""}, {"99", ""}, {"600", ""}, {"2000", ""}, {"-200", ""}, {"+200", ""}, {"20", ""},
		{"xx", ""}, {"6xx", ""}, {"0xx", ""}, {"12xx", ""}, {"2x", ""},
		{"204-200", ""}, {"200-", ""}, {"-", ""}, {"200-204-206", ""}, {"200 - 204", ""}, {"2xx-3xx", ""},
	} {
		r, err := dispatch.ParseCodeRange(test.in)
		if test.want == "" {
			if err == nil {
				t.Errorf("%q was taken as %v", test.in, r)
			}
		} else if err != nil || r.String() != test.want {
			t.Errorf("%q became %v (%v), want %s", test.in, r, err, test.want)
		}
	}
}

func FuzzParseCodeRange(f *testing.F) {
	for _, seed := range []string{"204", "2xx", "200-204", "xx", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := dispatch.ParseCodeRange(s)
		if err != nil {
			return
		}
		if r.From < 100 || r.To > 599 || r.From > r.To {
			t.Errorf("%q became %d-%d", s, r.From, r.To)
		}
		if again, err := dispatch.ParseCodeRange(r.String()); err != nil || again != r {
			t.Errorf("%q became %v, and that %v (%v)", s, r, again, err)
		}
	})
}
