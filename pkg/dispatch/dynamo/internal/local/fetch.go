// Package local fetches DynamoDB Local, Amazon's own emulator, and runs it.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Version is the release of DynamoDB Local that is run.
const Version = "3.1.0"

// ErrNoTools says that Java or Maven is not installed.
var ErrNoTools = errors.New("DynamoDB Local needs Java 17 and, to be fetched, Maven: not found on the PATH")

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dispatch</groupId>
  <artifactId>dynamodb-local</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>software.amazon.dynamodb</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>` + Version + `</version>
    </dependency>
  </dependencies>
</project>
`

// Fetch returns the folder that holds DynamoDB Local's jars and native libraries, in the user's cache.
// The first call has Maven download them (50 MB). Fails with [ErrNoTools] where something is missing.
func Fetch(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoTools, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	home := filepath.Join(cache, "dispatch", "dynamodb-local-"+Version)
	if _, err := os.Stat(home); err == nil {
		return home, nil
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoTools, err)
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(home), "fetch-")
	if err != nil {
		return "", fmt.Errorf("making a folder to fetch into: %w", err)
	}
	defer os.RemoveAll(work)
	if err := copyJars(ctx, work); err != nil {
		return "", err
	}
	// Renaming is atomic: of several processes that fetch at once one wins, and the others use what it fetched.
	if err := os.Rename(filepath.Join(work, "lib"), home); err != nil {
		if _, there := os.Stat(home); there != nil {
			return "", fmt.Errorf("moving DynamoDB Local into the cache: %w", err)
		}
	}
	return home, nil
}

func copyJars(ctx context.Context, work string) error {
	pom := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(pom, []byte(project), 0o644); err != nil {
		return fmt.Errorf("writing Maven's project file: %w", err)
	}
	mvn := exec.CommandContext(ctx, "mvn", "--quiet", "--batch-mode", "--file", pom, "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(work, "lib"))
	if out, err := mvn.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching DynamoDB Local with Maven: %w\n%s", err, out)
	}
	return nil
}
