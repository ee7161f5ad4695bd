package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

const childFile, childPart = "DISPATCH_TEST_FILE", "DISPATCH_TEST_PART"

// TestChild is what the other processes of these tests run. A line is printed once the store has answered.
func TestChild(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		t.Skip("run by the tests below")
	}
	s := open(t, path)
	switch os.Getenv(childPart) {
	case "cycles":
		side(20, 1<<30, func(i int) {
			id := fmt.Sprint(i)
			if r := s.Put(t.Context(), start, []dispatch.Task{task(id, start)})[0]; r.Err != nil {
				panic(r.Err)
			}
			fmt.Println("put", id)
			r := s.Claim(t.Context(), []string{id}, dispatch.Lease{Token: id, At: start, Left: time.Hour})[0]
			if r.Err != nil {
				panic(r.Err)
			}
			fmt.Println("claimed", id)
			if _, err := s.Settle(t.Context(), end(r.Task)); err != nil {
				panic(err)
			}
			fmt.Println("settled", id)
		})
	case "claims":
		fmt.Println("ready")
		for _, id := range claimAll(t, s, "child") {
			fmt.Println("won", id)
		}
	case "leases":
		var ids []string
		var tasks []dispatch.Task
		for i := range 1000 {
			ids = append(ids, fmt.Sprint(i))
			tasks = append(tasks, task(ids[i], start))
		}
		put(t, s, tasks...)
		for range s.Due(t.Context(), "default#0", start) { // what was seen is claimed together
		}
		for _, r := range s.Claim(t.Context(), ids, dispatch.Lease{Token: "x", At: start, Left: time.Hour}) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if n, err := s.FreeLeases(t.Context(), start); n != len(ids) || err != nil {
			t.Fatal(n, err)
		}
	}
}

func child(t *testing.T, path, part string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childFile+"="+path, childPart+"="+part)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	path := file(t)
	cmd, lines := child(t, path, "cycles")
	done := map[string]string{} // the last that the store acknowledged of each id
	killed := false
	for n := 0; lines.Scan(); n++ {
		if what, id, ok := strings.Cut(lines.Text(), " "); ok {
			done[id] = what
		}
		if n == 1500 {
			killed = cmd.Process.Kill() == nil
		}
	}
	if err := cmd.Wait(); err == nil || !killed {
		t.Fatalf("killed: %v, %v", killed, err)
	}
	s := open(t, path)
	for id, what := range done {
		r := s.Get(t.Context(), []string{id})[0]
		ok := r.Err == nil
		switch what {
		case "claimed": // the settle may have been kept without an answer
			ok = ok && (r.Task.Lease == id || r.Task.State == dispatch.Delivered)
		case "settled":
			ok = ok && r.Task.State == dispatch.Delivered
		}
		if !ok {
			t.Errorf("%s was acknowledged as %s, and is %s, lease %q, %v", id, what, r.Task.State, r.Task.Lease, r.Err)
		}
	}
	if len(done) < 100 {
		t.Errorf("only %d tasks were looked at", len(done))
	}
	put(t, s, task("after", start))
}

func TestTwoProcessesWriteOneFile(t *testing.T) {
	path := file(t)
	s := open(t, path)
	var tasks []dispatch.Task
	for i := range contested {
		tasks = append(tasks, task(fmt.Sprint(i), start))
	}
	put(t, s, tasks...)
	cmd, lines := child(t, path, "claims")
	won := map[string]int{}
	for lines.Scan() && lines.Text() != "ready" {
	}
	for _, id := range claimAll(t, s, "parent") {
		won[id]++
	}
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "won "); ok {
			won[id]++
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, row := range tasks {
		if won[row.ID] != 1 {
			t.Errorf("%s was claimed %d times", row.ID, won[row.ID])
		}
	}
}

// contested is how many tasks two processes want.
const contested = 400

// claimAll claims what it can get, each task on its own, and returns what it got.
func claimAll(t *testing.T, s *sqlite.Store, token string) (won []string) {
	var mu sync.Mutex
	side(8, contested, func(i int) {
		id := fmt.Sprint(i)
		if r := s.Claim(t.Context(), []string{id}, dispatch.Lease{Token: token, At: start, Left: time.Hour})[0]; r.Err == nil {
			mu.Lock()
			won = append(won, id)
			mu.Unlock()
		}
	})
	return won
}
