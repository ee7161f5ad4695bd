package engine

import "testing"

func TestTheAuthorityHasTheOriginOfTheWhole(t *testing.T) {
	for uri, want := range map[string]string{
		"https://a.example/b/c?d#e": "https://a.example", "https://a.example": "https://a.example", "http://A.example:80?x=/y": "http://A.example:80",
		"https://u:p@a.example:444#/": "https://u:p@a.example:444", "http://[::1]:8080/x://y": "http://[::1]:8080", "arn:aws:lambda:x": "arn:aws:lambda:x",
	} {
		if got := authority(uri); got != want || originOf(got) != originOf(uri) {
			t.Errorf("%s: %s of origin %s, want %s of origin %s", uri, got, originOf(got), want, originOf(uri))
		}
	}
}

func TestNamesOfOriginsAreFoundAgain(t *testing.T) {
	a := newAdmission(4, nil)
	a.origins["https://a.example"] = &origin{name: "https://a.example"}
	for _, uri := range []string{"https://a.example/1", "https://A.example:443/2", "https://a.example/3"} {
		if o := a.meet(uri); o != a.origins["https://a.example"] {
			t.Errorf("%s: %s", uri, o.name)
		}
	}
	if len(a.names) != 2 {
		t.Errorf("%d names, want 2", len(a.names))
	}
}
