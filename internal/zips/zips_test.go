package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const repository = "../.."

// Each function is built in two places: by this command, in a copy of the tree, and as SAM's go1.x does it, in a clone with a commit
// of its own, from the function's folder and with what `make functions` passes. The programs are the same, and so are the zips.
func TestSameBytesFromTwoPlaces(t *testing.T) {
	copied, cloned := copyTree(t, "a"), copyTree(t, "somewhere/else")
	commit(t, cloned)
	flags := makefileFlags(t)
	names, err := functions(repository)
	if err != nil {
		t.Fatal(err)
	}
	for architecture, goarch := range map[string]string{"arm64": "arm64", "x86_64": "amd64"} {
		zips, err := build(t.Context(), copied, architecture)
		if err != nil {
			t.Fatal(err)
		}
		if len(zips) != len(names) || len(zips) < 3 {
			t.Errorf("%d zips of the functions %v", len(zips), names)
		}
		for _, z := range zips {
			program := bootstrap(t, z.content)
			bySAM := samBuild(t, cloned, z.function, goarch, flags)
			if a, b := sha256.Sum256(program), sha256.Sum256(bySAM); a != b {
				t.Errorf("%s, %s: %x and %x", z.function, architecture, a, b)
			}
			again, err := pack(bySAM)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(z.content, again) {
				t.Errorf("%s, %s: the zips differ", z.function, architecture)
				continue
			}
			t.Logf("%s, %s: %d bytes, SHA-256 %x from both places", z.function, architecture, len(z.content), z.sum())
		}
	}
}

// makefileFlags are the flags that `make functions` passes to SAM.
func makefileFlags(t *testing.T) string {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`GOFLAGS='([^']*)' sam build`).FindSubmatch(makefile)
	if found == nil {
		t.Fatal("the Makefile passes no GOFLAGS to sam build")
	}
	return string(found[1])
}

// samBuild builds a function as SAM's builder does: https://github.com/aws/aws-lambda-builders, workflows/go_modules/builder.py
func samBuild(t *testing.T, root, function, goarch, flags string) []byte {
	t.Helper()
	source, path := filepath.Join(root, "functions", function), filepath.Join(t.TempDir(), "bootstrap")
	execute(t, source, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + goarch, "GOFLAGS=" + flags}, "go", "build", "-trimpath", "-o", path, source)
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// bootstrap reads the only file of a zip.
func bootstrap(t *testing.T, content []byte) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 {
		t.Fatalf("the zip holds %+v, want bootstrap with mode 0755", z.File)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	program, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// copyTree copies what functions are made of to a folder of that name.
func copyTree(t *testing.T, name string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), name)
	for _, part := range []string{"go.mod", "go.sum", "functions", "internal", "pkg"} {
		err := filepath.WalkDir(filepath.Join(repository, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			to := filepath.Join(root, strings.TrimPrefix(path, repository))
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				return err
			}
			return os.WriteFile(to, content, 0o666)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// commit makes a folder a clone with one commit, where there is git.
func commit(t *testing.T, folder string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Log("without git: neither place is a clone")
		return
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "go.mod"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message=one"}} {
		execute(t, folder, nil, "git", args...)
	}
}

func execute(t *testing.T, folder string, environment []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = folder, slices.Concat(os.Environ(), environment)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args[0], err, said)
	}
}
