package egress_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/storetest"
	"example.com/dispatch/pkg/dispatch/target"
)

// What a hostile URL is refused with.
const (
	enqueueByte   = "enqueue: holds the byte"
	enqueueSlash  = "enqueue: holds a backslash"
	enqueueURL    = "enqueue: is not a URL"
	enqueueScheme = "enqueue: must be an https URL"
	enqueueHost   = "enqueue: has no host"
	enqueueUser   = "enqueue: must not hold a user"
	enqueueAnchor = "enqueue: must not have a fragment"
	enqueuePort   = "enqueue: has a port that is not"
	enqueueSyntax = "enqueue: has a host that is not a name"
	enqueueNumber = "enqueue: has a host that is a number"
	enqueueDot    = "enqueue: has a host that ends with a dot"
	enqueueBraces = "enqueue: has a host in brackets"
	enqueueIP     = "enqueue: goes where no task may go: address not allowed"
	enqueueOther  = "enqueue: goes where no task may go: port not allowed"
	enqueueARN    = "enqueue: must be the ARN"
	dialIP        = "dial: address not allowed"
	dialUnknown   = "dial: name not found"
)

// hostile are URLs that must lead nowhere, and what stops each where no network is allowed. Names resolve as hostileNames
// has them.
var hostile = []struct{ uri, want string }{
	// Addresses of this machine and of private networks.
	{"https://127.0.0.1/", enqueueIP},
	{"https://127.0.0.1:443/", enqueueIP},
	{"https://127.1.2.3/", enqueueIP},
	{"https://0.0.0.0/", enqueueIP},
	{"https://10.0.0.1/", enqueueIP},
	{"https://172.16.0.1/", enqueueIP},
	{"https://192.168.0.1/", enqueueIP},
	{"https://100.64.0.1/", enqueueIP},
	{"https://169.254.1.1/", enqueueIP},
	{"https://198.18.0.1/", enqueueIP},
	{"https://224.0.0.1/", enqueueIP},
	{"https://240.0.0.1/", enqueueIP},
	{"https://255.255.255.255/", enqueueIP},
	{"https://[::1]/", enqueueIP},
	{"https://[::]/", enqueueIP},
	{"https://[fe80::1]/", enqueueIP},
	{"https://[fc00::1]/", enqueueIP},
	{"https://[fec0::1]/", enqueueIP},
	{"https://[ff02::1]/", enqueueIP},
	{"https://[2001:db8::1]/", enqueueIP},
	{"https://[0000:0000:0000:0000:0000:0000:0000:0001]/", enqueueIP},
	{"https://[::0001]:8443/", enqueueIP},

	// Metadata services of clouds.
	{"https://169.254.169.254/latest/meta-data/iam/security-credentials/", enqueueIP},
	{"http://169.254.169.254/latest/meta-data/", enqueueScheme},
	{"https://[fd00:ec2::254]/latest/meta-data/", enqueueIP},
	{"https://169.254.170.2/v2/credentials", enqueueIP},
	{"https://168.63.129.16/machine?comp=goalstate", enqueueIP},
	{"https://100.100.100.200/latest/meta-data/", enqueueIP},
	{"https://192.0.0.192/opc/v2/instance/", enqueueIP},
	{"https://[fd20:ce::254]/computeMetadata/v1/", enqueueIP},
	{"https://metadata.google.internal/computeMetadata/v1/", dialIP},
	{"https://METADATA.google.internal/computeMetadata/v1/", dialIP},
	{"https://metadata/computeMetadata/v1/", dialIP},
	{"https://instance-data.ec2.internal/latest/meta-data/", dialIP},

	// The same addresses in other clothes.
	{"https://[::ffff:127.0.0.1]/", enqueueIP},
	{"https://[::ffff:7f00:1]/", enqueueIP},
	{"https://[::ffff:169.254.169.254]/", enqueueIP},
	{"https://[0:0:0:0:0:ffff:a9fe:a9fe]/", enqueueIP},
	{"https://[::127.0.0.1]/", enqueueIP},
	{"https://[64:ff9b::127.0.0.1]/", enqueueIP},
	{"https://[64:ff9b::a9fe:a9fe]/", enqueueIP},
	{"https://[64:ff9b:1::a9fe:a9fe]/", enqueueIP},
	{"https://[2002:7f00:1::]/", enqueueIP},
	{"https://[2002:a9fe:a9fe::1]/", enqueueIP},
	{"https://[2001:0:a9fe:a9fe::1]/", enqueueIP},
	{"https://2130706433/", enqueueNumber},
	{"https://017700000001/", enqueueNumber},
	{"https://0x7f000001/", enqueueNumber},
	{"https://0X7F.1/", enqueueNumber},
	{"https://0x7f.0x0.0x0.0x1/", enqueueNumber},
	{"https://0177.0.0.1/", enqueueNumber},
	{"https://127.1/", enqueueNumber},
	{"https://127.0.1/", enqueueNumber},
	{"https://0/", enqueueNumber},
	{"https://0x/", enqueueNumber},
	{"https://127.0.0.01/", enqueueNumber},
	{"https://127.0.0.1.1/", enqueueNumber},
	{"https://256.256.256.256/", enqueueNumber},
	{"https://2852039166/latest/meta-data/", enqueueNumber},
	{"https://0xa9.0xfe.0xa9.0xfe/", enqueueNumber},
	{"https://169.254.43518/", enqueueNumber},
	{"https://127.0.0.1./", enqueueDot},
	{"https://localhost./", enqueueDot},
	{"https://metadata.google.internal./", enqueueDot},
	{"https://[fe80::1%25eth0]/", enqueueBraces},
	{"https://[::1%25lo]/", enqueueBraces},
	{"https://[::1%lo]/", enqueueURL},
	{"https://[127.0.0.1]/", enqueueURL},
	{"https://[v1.127.0.0.1]/", enqueueURL},
	{"https://[::1/", enqueueURL},
	{"https://::1/", enqueueURL},
	{"https://[::1]example.com/", enqueueURL},

	// Encoded and international hosts.
	{"https://%31%32%37.0.0.1/", enqueueURL},
	{"https://127%2e0%2e0%2e1/", enqueueURL},
	{"https://localhos%74/", enqueueURL},
	{"https://example.com%00.localhost/", enqueueURL},
	{"https://example.com%2f@localhost/", enqueueUser},
	{"https://127。0。0。1/", enqueueByte},
	{"https://127%E3%80%820%E3%80%820%E3%80%821/", enqueueSyntax},
	{"https://①②⑦.⓪.⓪.①/", enqueueByte},
	{"https://%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1/", enqueueNumber},
	{"https://ｌｏｃａｌｈｏｓｔ/", enqueueByte},
	{"https://%EF%BD%8Cocalhost/", enqueueSyntax},
	{"https://exаmple.com/", enqueueByte}, // a Cyrillic a
	{"https://exam\u00adple.com/", enqueueByte},
	{"https://ex%C2%ADample.com/", enqueueSyntax},

	// Whose host is it?
	{"https://user@127.0.0.1/", enqueueUser},
	{"https://example.com@127.0.0.1/", enqueueUser},
	{"https://example.com:80@127.0.0.1/", enqueueUser},
	{"https://example.com:443@localhost:8080/", enqueueUser},
	{"https://:password@example.com/", enqueueUser},
	{"https://@example.com/", enqueueUser},
	{"https://a@b@example.com/", enqueueUser},
	{`https://example.com\@127.0.0.1/`, enqueueSlash},
	{`https://127.0.0.1\.example.com/`, enqueueSlash},
	{`https:\\127.0.0.1/`, enqueueSlash},
	{`https:/\127.0.0.1/`, enqueueSlash},
	{`https://example.com/\\127.0.0.1`, enqueueSlash},
	{"https://example.com#@127.0.0.1/", enqueueAnchor},
	{"https://127.0.0.1#.example.com/", enqueueAnchor},
	{"https://example.com/#", enqueueAnchor},
	{"https://example.com;127.0.0.1/", enqueueNumber},
	{"https://example.com,127.0.0.1/", enqueueNumber},
	{"https://example.com&@127.0.0.1/", enqueueUser},
	{"https://(localhost)/", enqueueSyntax},
	{"https://{localhost}/", enqueueURL},
	{"https://a..b/", enqueueSyntax},
	{"https://.example.com/", enqueueSyntax},
	{"https://" + strings.Repeat("a", 64) + ".com/", enqueueSyntax},

	// Characters that split a request or a header.
	{"https://example.com/\r\nHost: 127.0.0.1", enqueueByte},
	{"https://example.com\r\n.localhost/", enqueueByte},
	{"https://example.com/\n", enqueueByte},
	{"https://example.com/\t", enqueueByte},
	{"ht\ttps://example.com/", enqueueByte},
	{"https://example.com/\x00", enqueueByte},
	{"https://example.com/\x7f", enqueueByte},
	{" https://example.com/", enqueueByte},
	{"https://example.com/ HTTP/1.1", enqueueByte},
	{"https://example.com%0d%0a.localhost/", enqueueURL},
	{"\ufeffhttps://example.com/", enqueueByte},

	// No host, or none of HTTP.
	{"", enqueueScheme},
	{"https://", enqueueHost},
	{"https:///", enqueueHost},
	{"https:///127.0.0.1/", enqueueHost},
	{"https:127.0.0.1", enqueueHost},
	{"https:/127.0.0.1/", enqueueHost},
	{"https://:443/", enqueueHost},
	{"https://?127.0.0.1", enqueueHost},
	{"//127.0.0.1/", enqueueScheme},
	{"/etc/passwd", enqueueScheme},
	{"127.0.0.1", enqueueScheme},
	{"http://127.0.0.1/", enqueueScheme},
	{"http://example.com/", enqueueScheme},
	{"file:///etc/passwd", enqueueScheme},
	{"file://localhost/etc/passwd", enqueueScheme},
	{"ftp://127.0.0.1/", enqueueScheme},
	{"gopher://127.0.0.1:6379/_FLUSHALL", enqueueScheme},
	{"dict://127.0.0.1:11211/stat", enqueueScheme},
	{"ldap://127.0.0.1/", enqueueScheme},
	{"data:text/plain,x", enqueueScheme},
	{"javascript:alert(1)", enqueueScheme},
	{"unix:///var/run/docker.sock", enqueueScheme},
	{"http+unix://%2Fvar%2Frun%2Fdocker.sock/", enqueueURL},
	{"jar:https://example.com!/", enqueueScheme},
	{"view-source:https://example.com/", enqueueScheme},
	{"wss://example.com/", enqueueScheme},
	{"arn:aws:s3:::bucket", enqueueARN},
	{"arn:aws:lambda:evil.example.com/:123456789012:function:f", enqueueARN},

	// Ports.
	{"https://example.com:0/", enqueuePort},
	{"https://example.com:65536/", enqueuePort},
	{"https://example.com:99999/", enqueuePort},
	{"https://example.com:-1/", enqueueURL},
	{"https://example.com:/", enqueuePort},
	{"https://example.com:0443/", enqueuePort},
	{"https://example.com:443:22/", enqueueURL},
	{"https://example.com:https/", enqueueURL},
	{"https://example.com:22/", enqueueOther},
	{"https://example.com:25/", enqueueOther},
	{"https://example.com:53/", enqueueOther},
	{"https://example.com:110/", enqueueOther},
	{"https://example.com:143/", enqueueOther},
	{"https://example.com:3306/", enqueueOther},
	{"https://example.com:5432/", enqueueOther},
	{"https://example.com:6379/", enqueueOther},
	{"https://example.com:11211/", enqueueOther},
	{"https://1.1.1.1:25/", enqueueOther},

	// Names.
	{"https://localhost/", enqueueIP},
	{"https://LOCALHOST/", enqueueIP},
	{"https://app.localhost:8443/", enqueueIP},
	{"https://localhost.localdomain/", dialIP},
	{"https://ip6-localhost/", dialIP},
	{"https://127.0.0.1.nip.example/", dialIP},
	{"https://private.example/", dialIP},
	{"https://mapped.example/", dialIP},
	{"https://nat64.example/", dialIP},
	{"https://sixtofour.example/", dialIP},
	{"https://teredo.example/", dialIP},
	{"https://zero.example/", dialIP},
	{"https://azure.example/", dialIP},
	{"https://xn--lclhst-yxa.example/", dialIP},
	{"https://kubernetes.default.svc/", dialIP},
	{"https://host.docker.internal/", dialIP},
	{"https://nowhere.example/", dialUnknown},
}

// hostileNames are what names resolve to.
var hostileNames = map[string]string{
	"example.com":              "1.1.1.1",
	"metadata.google.internal": "169.254.169.254", "metadata": "169.254.169.254", "instance-data.ec2.internal": "169.254.169.254 fd00:ec2::254",
	"localhost.localdomain": "127.0.0.1 ::1", "ip6-localhost": "::1", "127.0.0.1.nip.example": "127.0.0.1", "private.example": "10.0.0.1 192.168.1.1",
	"mapped.example": "::ffff:10.0.0.1", "nat64.example": "64:ff9b::a00:1", "sixtofour.example": "2002:a00:1::1", "teredo.example": "2001::a00:1",
	"zero.example": "0.0.0.0 ::", "azure.example": "168.63.129.16", "xn--lclhst-yxa.example": "127.0.0.1", "kubernetes.default.svc": "10.96.0.1",
	"host.docker.internal": "192.168.65.254",
}

// Each hostile URL is refused: by enqueue, or before anything is sent. With a network allowed, and plain http with it, all
// of them still are, whatever the reason then is.
func TestHostileURLs(t *testing.T) {
	names := map[string][][]netip.Addr{}
	for name, text := range hostileNames {
		names[name] = answers(t, text)
	}
	dns := newNameserver(t, names)
	for _, networks := range [][]netip.Prefix{nil, {netip.MustParsePrefix("10.77.0.0/16")}} {
		o := egress.Options{AllowedNetworks: networks, Resolver: dns.resolver()}
		verb := newEnqueue(o)
		send := target.HTTP{Client: egress.New(o)}.Send
		tried, refused := 0, map[string]int{}
		for _, h := range hostile {
			tried++
			got := refusal(t, verb, send, strconv.Itoa(tried), h.uri)
			if networks == nil && !strings.HasPrefix(got, h.want) {
				t.Errorf("%q: %s, want %s", h.uri, got, h.want)
			}
			if where, _, ok := strings.Cut(got, ": "); ok {
				refused[where]++
			} else {
				t.Errorf("%q with %v allowed: %s", h.uri, networks, got)
			}
		}
		t.Logf("hostile: %d URLs tried with %d networks allowed: %d refused by enqueue, %d by the dial", tried, len(networks), refused["enqueue"], refused["dial"])
	}
}

func newEnqueue(o egress.Options) *dispatch.Enqueue {
	return &dispatch.Enqueue{
		Store: &storetest.Memory{}, Settings: func(context.Context) (dispatch.Settings, error) {
			return dispatch.Settings{Queues: map[string]dispatch.QueueSettings{dispatch.DefaultQueue: {}}}, nil
		},
		Retention: dispatch.DefaultRetention, AllowHTTP: len(o.AllowedNetworks) > 0, CheckURL: egress.NewCheck(o),
		CheckARN: func(dispatch.ARN) error { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// refusal takes a URL the way a task takes it, and returns who refused it and why.
func refusal(t *testing.T, verb *dispatch.Enqueue, send func(context.Context, dispatch.Call) dispatch.Answer, id, uri string) string {
	t.Helper()
	input, err := json.Marshal(map[string]string{"id": id, "uri": uri})
	if err != nil {
		t.Fatal(err)
	}
	_, err = verb.Run(t.Context(), input, nil)
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		if len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != "#/uri" {
			t.Errorf("%q: faults %+v", uri, invalid.Faults)
		}
		return "enqueue: " + invalid.Faults[0].Detail
	}
	if err != nil {
		t.Fatal(err)
	}
	row := verb.Store.Get(t.Context(), []string{id})[0].Task
	d, err := dispatch.DecodeDoc(row.Doc)
	if err != nil {
		t.Fatal(err)
	}
	a := send(t.Context(), dispatch.Call{Task: row, Doc: d, Attempt: 1, Timeout: 5 * time.Second})
	switch a.Error {
	case "address not allowed", "port not allowed", "name not found", "address not allowed over http:, use https:":
		return "dial: " + a.Error
	default:
		return "called, " + strconv.Itoa(a.Status) + " " + a.Error
	}
}

// What enqueue takes is an https URL whose host is a name or a public address, and that net/http reads as it is written.
func FuzzURL(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.uri)
	}
	f.Add("https://example.com:8443/a?b=c%20d")
	f.Fuzz(func(t *testing.T, uri string) {
		input, err := json.Marshal(map[string]string{"id": "a", "uri": uri})
		if err != nil {
			t.Skip()
		}
		verb := newEnqueue(egress.Options{})
		if _, err := verb.Run(t.Context(), input, nil); err != nil || dispatch.IsARN(uri) {
			return
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, uri, nil)
		if err != nil {
			t.Fatalf("taken: %q, which net/http does not read: %v", uri, err)
		}
		u := request.URL
		host, rest := u.Hostname(), strings.TrimPrefix(strings.ToLower(uri), "https://")
		if u.Scheme != "https" || u.User != nil || u.Fragment != "" || host == "" || request.Host != u.Host || !strings.HasPrefix(rest, strings.ToLower(u.Host)) {
			t.Errorf("taken: %q", uri)
		}
		ip, err := netip.ParseAddr(host)
		if err == nil && (ip.Zone() != "" || ip.IsPrivate() || ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip.Is4In6()) {
			t.Errorf("taken: %q", uri)
		}
		if err != nil && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("taken: %q", uri)
		}
	})
}

// What people mean passes enqueue.
func TestHarmlessURLs(t *testing.T) {
	for _, c := range []struct {
		uri      string
		networks string // allowed
		ports    string
	}{
		{uri: "https://example.com"},
		{uri: "https://example.com:443/a?b=c%20d&e=%0d%0a"},
		{uri: "https://EXAMPLE.com:8443/"},
		{uri: "https://example.com:80/"},
		{uri: "https://my_service.example.com:1024/"},
		{uri: "https://xn--bcher-kva.example/"},
		{uri: "https://1.1.1.1/"},
		{uri: "https://[2606:4700:4700::1111]:8443/"},
		{uri: "https://3com.example/"},
		{uri: "https://0x7f.example/"},
		{uri: "https://service/"},
		{uri: "https://example.com:22/", ports: "22,8000-8999"},
		{uri: "https://example.com:8500/", ports: "22,8000-8999"},
		{uri: "http://localhost:3000/", networks: "127.0.0.0/8"},
		{uri: "http://localhost:6379/", networks: "::1/128"},
		{uri: "http://127.0.0.1:25/", networks: "127.0.0.0/8"},
		{uri: "http://service.internal:25/", networks: "10.0.0.0/8"},
	} {
		o := egress.Options{}
		if c.networks != "" {
			o.AllowedNetworks = []netip.Prefix{netip.MustParsePrefix(c.networks)}
		}
		var err error
		if o.AllowedPorts, err = egress.ParsePorts(c.ports); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		if err := egress.NewCheck(o)(u); err != nil {
			t.Errorf("%s: %v", c.uri, err)
		}
		if _, err := newEnqueue(o).Run(t.Context(), []byte(`{"id":"a","uri":"`+c.uri+`"}`), nil); err != nil {
			t.Errorf("%s: %v", c.uri, err)
		}
	}
}
