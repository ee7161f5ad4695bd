package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/dispatch/pkg/dispatch/schema"
)

func TestSchemas(t *testing.T) {
	mux := http.NewServeMux()
	API{}.Register(mux)
	for name, want := range map[string][]byte{"task.json": schema.Task(), "settings.json": schema.Settings(), "answer.json": schema.Answer()} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/schema/"+name, nil))
		if w.Code != http.StatusOK || w.Body.String() != string(want) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d, %d bytes of %s", name, w.Code, w.Body.Len(), w.Header().Get("Content-Type"))
		}
	}
	for _, path := range []string{"/schema/tasks.json", "/schema/schema.go", "/schema/"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
