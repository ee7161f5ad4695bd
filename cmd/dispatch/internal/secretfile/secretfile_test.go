package secretfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValue(t *testing.T) {
	above := t.TempDir()
	folder := filepath.Join(above, "secrets")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(above, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("outside", "outside")
	write("secrets/token", "Bearer x\n")
	write("secrets/shop/token", "y\r\n")
	write("secrets/two", "a\nb\n")
	write("secrets/large", strings.Repeat("x", maxSize+1))
	write("secrets/full", strings.Repeat("x", maxSize))
	for name, to := range map[string]string{"link": "../outside", "inner": "token", "absolute": filepath.Join(above, "outside")} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Skip(err)
		}
	}
	write("secrets/open", "x")
	if err := os.Chmod(filepath.Join(folder, "open"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		name, want string // "" for an error
	}{
		{"token", "Bearer x"},
		{"shop/token", "y"},
		{"two", "a\nb"}, // which no header carries: the call fails
		{"full", strings.Repeat("x", maxSize)},
		{"inner", "Bearer x"},
		{"large", ""},
		{"open", ""}, // which others may write to
		{"none", ""},
		{"shop", ""},
		{"link", ""},
		{"absolute", ""},
		{"../outside", ""},
		{"shop/../../outside", ""},
		{"shop/../token", ""},
		{"./token", ""},
		{"/token", ""},
		{"token/", ""},
		{"shop//token", ""},
		{".", ""},
		{"..", ""},
		{"", ""},
		{"to ken", ""},
		{"token\x00", ""},
		{`shop\token`, ""},
		{filepath.Join(above, "outside"), ""},
	} {
		got, err := f.Value(t.Context(), c.name)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v, want %q", c.name, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), above) {
			t.Errorf("%q: the error shows where the folder is: %v", c.name, err)
		}
	}
	if _, err := Open(filepath.Join(above, "nowhere")); err == nil {
		t.Error("a folder that is not there was opened")
	}
}
