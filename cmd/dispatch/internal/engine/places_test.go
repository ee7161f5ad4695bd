package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// desk is an admission, and the calls that it has admitted.
type desk struct {
	t *testing.T
	*admission
	tasks int
	done  map[string][]func() // calls in flight, by origin
}

func newDesk(t *testing.T, workers int) *desk {
	return &desk{t: t, admission: newAdmission(workers, time.Now), done: map[string][]func(){}}
}

// asks asks for a call of a task, of several targets if one of them is named, and reports whether it was admitted.
func (d *desk) asks(origin, id, target string) bool {
	d.t.Helper()
	done, ok := d.admit(d.t.Context(), dispatch.Call{
		Task: dispatch.Task{ID: id, Queue: dispatch.DefaultQueue}, Doc: dispatch.Doc{URI: "https://" + origin + "/"}, Target: target,
	})
	if ok {
		d.done[origin] = append(d.done[origin], done)
	}
	return ok
}

// all does what is said, "want a 3" and "end a 3" among it, each so many times, and returns the calls in flight.
func (d *desk) all(said string) string {
	d.t.Helper()
	for what := range strings.SplitSeq(said, ", ") {
		var verb, origin string
		var n int
		if _, err := fmt.Sscanf(what, "%s %s %d", &verb, &origin, &n); err != nil {
			d.t.Fatalf("%q: %v", what, err)
		}
		for range n {
			switch verb {
			case "want": // tasks for an origin
				d.tasks++
				d.asks(origin, fmt.Sprintf("%s-%d", origin, d.tasks), "")
			case "fan": // a task for three
				d.tasks++
				for _, to := range strings.Split(origin, "+") {
					d.asks(to, fmt.Sprint("fan-", d.tasks), to)
				}
			case "end": // the worker whose call ends does what has its turn
				d.done[origin][0]()
				d.done[origin] = d.done[origin][1:]
				d.turn()
			}
		}
	}
	var parts []string
	for _, o := range []string{"a", "b", "c", "d", "e"} {
		if n := len(d.done[o]); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", o, n))
		}
	}
	return strings.Join(parts, ", ")
}

func (d *desk) turn() {
	d.t.Helper()
	if t, ok := d.takeTurn(); ok {
		origin, _, _ := strings.Cut(t.hint.ID, "-")
		if !d.asks(origin, t.hint.ID, "") {
			d.t.Errorf("%s has its turn, and was not admitted", t.hint.ID)
		}
		d.endTurn(t)
	}
}

func TestPlaces(t *testing.T) {
	for _, test := range []struct {
		name    string
		workers int
		said    string
		want    string
	}{
		{"one has three quarters of all", 256, "want a 500", "a 192"},
		{"a second one three quarters of what is left", 256, "want a 500, want b 500", "a 192, b 48"},
		{"and so on, and one always", 256, "want a 500, want b 500, want c 500, want d 500, want e 1", "a 192, b 48, c 12, d 3, e 1"},
		{"which come together have the same", 256, "want a 100, want b 100, want a 9, want b 9, want a 500, want b 500", "a 110, b 109"},
		{"few workers", 8, "want a 50, want b 50", "a 6, b 1"},
		{"two workers", 2, "want a 50, want b 1", "a 1, b 1"},
		{"one worker", 1, "want a 50", "a 1"},
		{"its end makes room for the next of the same", 8, "want a 50, end a 3", "a 6"},
		{"another's end for whoever waits", 8, "want b 2, want a 50, end b 1", "a 5, b 1"},
		{"all others' ends for three quarters of all", 8, "want b 2, want a 50, end b 2", "a 6"},
		{"the first one's for the second, until they have the same", 256, "want a 500, want b 500, end a 100", "a 109, b 110"},
		{"and nobody's for whoever has his share", 256, "want a 500, want b 500, want c 2, end c 2", "a 192, b 48"},
		{"a task has one worker for all of its calls", 8, "fan a+b+c 6", "a 6, b 6, c 6"},
		{"and gives it back with the last of them", 8, "fan a+b+c 6, want d 9, end a 6, end b 6", "c 6, d 1"},
		{"so that another has it then", 8, "fan a+b+c 6, want d 9, end a 6, end b 6, end c 6", "d 6"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := newDesk(t, test.workers).all(test.said); got != test.want {
					t.Errorf("%s: in flight %s, want %s", test.said, got, test.want)
				}
			})
		})
	}
}

// Whatever ends, in whatever order: those that wait are called in the end, and nothing is remembered.
func TestNobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 16)
		d.all("want a 40, want b 40, want c 40, want d 40, want e 40")
		for ends, order := 0, "aabacadbeedcb"; ends < 200; {
			before := ends
			for _, o := range order {
				if len(d.done[string(o)]) > 0 {
					d.all(fmt.Sprintf("end %c 1", o))
					ends++
				}
			}
			if ends == before {
				t.Fatalf("nothing is in flight after %d of 200: %d wait", ends, len(d.refused))
			}
		}
		if len(d.origins)+len(d.refused)+len(d.lines)+len(d.placed)+len(d.turns)+len(d.several)+d.busy > 0 {
			t.Errorf("left: %d origins, %d refused, %d lines, %d placed, %d turns, %d of several, %d busy",
				len(d.origins), len(d.refused), len(d.lines), len(d.placed), len(d.turns), len(d.several), d.busy)
		}
	})
}

// A worker that waits a moment has the place of whoever ends meanwhile, of another origin too.
func TestAWorkerThatWaitsHasTheNextPlace(t *testing.T) {
	for _, ends := range []string{"a", "b"} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 8)
			d.all("want b 1, want a 5")
			admitted := make(chan bool, 1)
			go func() {
				done, ok := d.admit(context.Background(), dispatch.Call{Task: dispatch.Task{ID: "a-7"}, Doc: dispatch.Doc{URI: "https://a/"}})
				if ok {
					done()
				}
				admitted <- ok
			}()
			synctest.Wait()
			select {
			case <-admitted:
				t.Fatal("not waited for")
			default:
			}
			d.done[ends][0]()
			if !<-admitted {
				t.Errorf("%s ended, and the worker has no place", ends)
			}
		})
	}
}

// What has its turn, and has ended meanwhile or is not begun, lets the next have it.
func TestATurnThatIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 8)
		d.all("want a 9") // 7, 8 and 9 wait
		d.done["a"][0]()
		first, ok := d.takeTurn()
		if !ok || first.hint.ID != "a-7" {
			t.Fatalf("the turn of %q", first.hint.ID)
		}
		d.endTurn(first)
		if next, ok := d.takeTurn(); !ok || next.hint.ID != "a-8" {
			t.Errorf("then of %q", next.hint.ID)
		}
		if d.asks("a", "a-10", "") {
			t.Error("another was admitted to the place of the one that has its turn")
		}
		if !d.asks("a", "a-8", "") { // it came by itself
			t.Error("it has no place when it comes by itself")
		}
	})
}
