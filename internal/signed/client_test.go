package signed

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func TestEndpoint(t *testing.T) {
	own := "http://127.0.0.1:3001/"
	for _, c := range []struct {
		region   string
		endpoint *string
		want     string
	}{
		{"eu-west-1", nil, "https://lambda.eu-west-1.amazonaws.com"},
		{"us-gov-west-1", nil, "https://lambda.us-gov-west-1.amazonaws.com"},
		{"cn-north-1", nil, "https://lambda.cn-north-1.amazonaws.com.cn"},
		{"eusc-de-east-1", nil, "https://lambda.eusc-de-east-1.amazonaws.eu"},
		{"eu-west-1", &own, "http://127.0.0.1:3001"},
	} {
		config := aws.Config{Region: c.region, BaseEndpoint: c.endpoint, HTTPClient: http.DefaultClient}
		if got := New(config, "lambda").endpoint; got != c.want {
			t.Errorf("%s: %s, want %s", c.region, got, c.want)
		}
	}
}
