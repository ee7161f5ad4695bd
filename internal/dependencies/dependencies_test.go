// Package dependencies holds the list in docs/security.md equal to go.mod, and to what the binaries are made of.
package dependencies

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const repository = "../.."

// places are where a module can be, the one that matters most first; each has the programs or packages that are looked at.
var places = []struct{ name, packages string }{
	{"functions", ""}, // each folder of functions/ that is a program
	{"command line", "./cmd/dispatch"},
	{"callers' programs", "./pkg/dispatch/client"}, // beyond the functions' and the command line's
	{"tests and tools", "./..."},
}

// Each direct dependency is on the page, with its use and the most important place that it is in; and nothing else is.
func TestPageListsDirectDependencies(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+\\.[^`]+/[^`]+)` \\| ([^|]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(string(page), -1) {
		listed[row[1]] = row[3]
		if strings.TrimSpace(row[2]) == "" {
			t.Errorf("%s has no use", row[1])
		}
	}
	direct := directModules(t)
	for _, module := range direct {
		if _, ok := listed[module]; !ok {
			t.Errorf("go.mod has %s, the page does not", module)
		}
	}
	for module := range listed {
		if !slices.Contains(direct, module) {
			t.Errorf("the page has %s, go.mod does not require it directly", module)
		}
	}
	seen := map[string]bool{}
	for _, place := range places {
		programs := []string{place.packages}
		if place.packages == "" {
			programs = functions(t)
		}
		for _, module := range modules(t, programs) {
			if slices.Contains(direct, module) && !seen[module] && listed[module] != "" && listed[module] != place.name {
				t.Errorf("%s is in %q, says the page; it is in %q", module, listed[module], place.name)
			}
			seen[module] = true
		}
	}
	t.Logf("%d direct dependencies", len(direct))
}

func directModules(t *testing.T) []string {
	t.Helper()
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(output(t, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	return direct
}

func functions(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob(filepath.Join(repository, "functions/*/main.go"))
	if err != nil || len(mains) < 3 {
		t.Fatalf("functions %v, %v", mains, err)
	}
	var all []string
	for _, path := range mains {
		all = append(all, "./functions/"+filepath.Base(filepath.Dir(path)))
	}
	return all
}

// modules are those of what packages import, as they are built for AWS; with their tests where packages are all.
func modules(t *testing.T, packages []string) []string {
	t.Helper()
	args := []string{"list", "-deps", "-tags=lambda.norpc", "-f={{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}"}
	if slices.Contains(packages, "./...") {
		args = append(args, "-test")
	}
	names := strings.Fields(string(output(t, append(args, packages...)...)))
	slices.Sort(names)
	return slices.Compact(names)
}

func output(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Stderr = repository, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", args[0], err, stderr.String())
	}
	return out
}
