package target

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// Nothing goes where a task's tenant may not call, and that is no attempt; to hosts that it may call it goes.
func TestSenderKnowsTheTenantsHosts(t *testing.T) {
	called := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
	defer server.Close()
	s := Sender{HTTP: HTTP{Client: local(1)}, AWS: &AWS{}}
	for _, test := range []struct {
		uri   string
		hosts dispatch.Hosts
		calls int
	}{
		{server.URL, nil, 1},
		{server.URL, dispatch.Hosts{"127.0.0.1"}, 1},
		{server.URL, dispatch.Hosts{"127.0.0.2", "*.0.0.1", "localhost"}, 0},
		{function, dispatch.Hosts{"127.0.0.1"}, 0},
	} {
		called = 0
		c := callOf("POST", test.uri, `1`)
		c.AllowedHosts = test.hosts
		a := s.Send(t.Context(), c)
		if refused := a.Unsent && a.Error == errNotAllowed.Error(); called != test.calls || refused != (test.calls == 0) {
			t.Errorf("%s with %v: %d calls, %+v", test.uri, test.hosts, called, a)
		}
	}
}
