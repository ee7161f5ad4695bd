package cloud

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
)

// Endpoint serves one service.
type Endpoint struct {
	URL    string
	server *httptest.Server
}

// Listen serves a handler by TLS on the loopback interface.
func Listen(h http.Handler) *Endpoint {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that ended with a function
	s.StartTLS()
	return &Endpoint{URL: s.URL, server: s}
}

// Close hangs up.
func (e *Endpoint) Close() {
	e.server.CloseClientConnections()
	e.server.Close()
}

// Trust writes the certificate that endpoints show into the folder, and returns the variable that has a program in Go
// trust it alone.
func Trust(folder string) (variable string, err error) {
	e := Listen(http.NotFoundHandler())
	defer e.Close()
	path := filepath.Join(folder, "endpoints.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.server.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("writing the endpoints' certificate: %w", err)
	}
	return "SSL_CERT_FILE=" + path, nil
}
