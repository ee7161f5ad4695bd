package signature_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch/signature"
)

func ExampleMiddleware() {
	key, err := signature.NewKey() // the service's
	if err != nil {
		log.Fatal(err)
	}
	check := signature.Middleware{
		Verifier: signature.Verifier{
			// A receiver elsewhere sets Keys of the middleware instead:
			// (&signature.PublishedKeys{Fetch: signature.FetchFrom("https://…/jwks.json", nil)}).Keys
			Keys:   signature.JWKS{Keys: []signature.JWK{key.Public()}},
			Issuer: "dispatch",
			Origin: "https://api.example.com",
		},
		Memory: &signature.LocalMemory{},
	}
	orders := check.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		call, _ := signature.CallFrom(r.Context())
		fmt.Println("handled", call.Task, "attempt", call.Attempt)
	}))

	signer := signature.Signer{Key: key, Issuer: "dispatch"}
	token, err := signer.SignCall(signature.Call{
		Task: "order-7", Attempt: 1, Generation: 9, Method: "POST", URL: "https://api.example.com/orders",
	}, []byte("{}"), 30*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	for _, body := range []string{"{}", "{}", "[]"} {
		r := httptest.NewRequest("POST", "/orders", strings.NewReader(body))
		r.Header.Set(signature.Header, token)
		answer := httptest.NewRecorder()
		orders.ServeHTTP(answer, r)
		fmt.Println(strings.TrimSpace(fmt.Sprint(answer.Code, " ", answer.Body)))
	}
	// Output:
	// handled order-7 attempt 1
	// 200
	// 409 {"title":"Conflict","status":409,"detail":"call seen before"}
	// 401 {"title":"Unauthorized","status":401,"detail":"signed for another body"}
}
