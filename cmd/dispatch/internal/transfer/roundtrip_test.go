package transfer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// roundTripTasks is how many tasks there are, 5,000 unless the environment says so: make soak has 100,000.
func roundTripTasks(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv("ROUND_TRIP_TASKS"), "5000")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("ROUND_TRIP_TASKS: ", err)
	}
	return n
}

// From file to file, and the third export is the second to the byte: nothing is lost, and nothing is added, by coming and going.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	tasks := roundTripTasks(t)
	from, to := open(t), open(t)
	fill(t, from, tasks)
	first, did := exported(t, from)
	if did != (Exported{Tasks: tasks, Documents: 3, Leased: tasks / 1000}) {
		t.Errorf("exported %+v", did)
	}
	if n, err := Check(bytes.NewReader(first.Bytes())); n != tasks || err != nil {
		t.Errorf("the file has %d tasks, %v", n, err)
	}
	imported(t, to, first.Bytes(), Imported{Tasks: tasks, New: tasks, Settings: 3})
	wantRows(t, to, from)
	second, _ := exported(t, to)
	imported(t, to, second.Bytes(), Imported{Tasks: tasks, Same: tasks})
	third, _ := exported(t, to)
	if !bytes.Equal(second.Bytes(), third.Bytes()) {
		t.Error("the third export is another than the second")
	}
	a, b := first.Bytes(), second.Bytes()
	if a, b = a[:bytes.LastIndex(a, []byte(`{"end"`))], b[:bytes.LastIndex(b, []byte(`{"end"`))]; !bytes.Equal(a, b) {
		t.Error("what was imported is not exported as it came")
	}
}

// Through a table, and back.
func TestRoundTripThroughATable(t *testing.T) {
	t.Parallel()
	const tasks = 2000
	var server dynamotest.Server
	table := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	from, to := open(t), open(t)
	fill(t, from, tasks)
	first, _ := exported(t, from)
	imported(t, table, first.Bytes(), Imported{Tasks: tasks, New: tasks, Settings: 3})
	wantRows(t, table, from)
	second, did := exported(t, table)
	if did != (Exported{Tasks: tasks, Documents: 3}) {
		t.Errorf("exported %+v", did)
	}
	imported(t, to, second.Bytes(), Imported{Tasks: tasks, New: tasks, Settings: 3})
	wantRows(t, to, from)
	imported(t, table, second.Bytes(), Imported{Tasks: tasks, Same: tasks})
}

// An import that broke off goes on where it was; what has gone on since is left alone.
func TestResume(t *testing.T) {
	from, to := new(storetest.Memory), new(storetest.Memory)
	fill(t, from, 40)
	file, _ := exported(t, from)
	lines := bytes.SplitAfter(file.Bytes(), []byte("\n"))
	cut := bytes.Join(lines[:len(lines)-5], nil) // behind the head of a group: groups come last
	refused := map[string]error{}
	did, err := importing(to, refused).Run(t.Context(), bytes.NewReader(cut))
	if !errors.Is(err, ErrTruncated) || did.New != 37 || len(refused) > 0 {
		t.Fatalf("%+v, %v, %v", did, err, refused)
	}

	// The group's head, member-3-d, is held in the file; here somebody ends it. Nobody waits for it, then.
	var group []string
	for id, r := range rows(t, to) {
		if r.Group == "group-3" && !r.State.Final() {
			group = append(group, id)
		}
	}
	if !slices.Equal(group, []string{"member-3-d"}) {
		t.Fatalf("%v are there of the group", group)
	}
	cancel := func(id string) {
		if _, _, err := to.Edit(t.Context(), id, func(t *dispatch.Task) error { *t = finished(*t, dispatch.Cancelled); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	cancel("member-3-d")
	claim(t, to, "task-14")
	did, err = importing(to, refused).Run(t.Context(), bytes.NewReader(file.Bytes()))
	if want := (Imported{Tasks: 40, New: 3, Same: 35, Refused: 2}); err != nil || did != want {
		t.Errorf("%+v, %v; want %+v", did, err, want)
	}
	if ids := slices.Sorted(maps.Keys(refused)); !slices.Equal(ids, []string{"member-3-d", "task-14"}) || !errors.Is(refused["member-3-d"], ErrOther) {
		t.Errorf("refused %v", refused)
	}
	all := rows(t, to)
	for id, want := range map[string]dispatch.State{"member-3-b": dispatch.Scheduled, "member-3-a": dispatch.Blocked, "member-3-c": dispatch.Blocked} {
		if all[id].State != want {
			t.Errorf("%s is %s, want %s", id, all[id].State, want)
		}
	}
	if all["member-3-b"].Next != "member-3-a" || all["member-3-a"].Next != "member-3-c" || !all["member-3-a"].Flag {
		t.Errorf("the group is %+v, %+v", all["member-3-b"], all["member-3-a"])
	}
}

func TestSettings(t *testing.T) {
	from := open(t)
	fill(t, from, 10)
	mail := newTask("mail")
	mail.Queue, mail.Lane = "bulk", "bulk#2"
	lost := finished(newTask("lost"), dispatch.Exhausted)
	lost.Queue, lost.Lane = "bulk", "bulk!failed#2"
	put(t, from, mail, lost)
	file, _ := exported(t, from)
	save := func(store dispatch.Store, queues map[string]dispatch.QueueSettings) {
		t.Helper()
		if _, err := dispatch.SaveSettings(t.Context(), store, dispatch.Settings{Queues: queues}); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("others are refused, before any task", func(t *testing.T) {
		to := open(t)
		save(to, map[string]dispatch.QueueSettings{"default": {Lanes: 1}, "other": {Lanes: 1}})
		if did, err := importing(to, nil).Run(t.Context(), bytes.NewReader(file.Bytes())); !errors.Is(err, ErrSettings) || did != (Imported{}) {
			t.Errorf("%+v, %v", did, err)
		}
		if n := len(rows(t, to)); n > 0 {
			t.Errorf("%d tasks are there", n)
		}
	})
	t.Run("kept, lanes are theirs, and tasks that nobody would look for are refused", func(t *testing.T) {
		for _, c := range []struct {
			queues  map[string]dispatch.QueueSettings
			lane    string // of mail
			history string // of lost
		}{
			{map[string]dispatch.QueueSettings{"default": {Lanes: 1}}, "", "bulk!failed#0"},
			{map[string]dispatch.QueueSettings{"default": {Lanes: 1}, "bulk": {Lanes: 1}}, "bulk#0", "bulk!failed#0"},
			{map[string]dispatch.QueueSettings{"default": {Lanes: 1}, "bulk": {Lanes: 3, Priority: 7}}, "bulk#2", "bulk!failed#2"},
		} {
			to, refused := open(t), map[string]error{}
			save(to, c.queues)
			i := importing(to, refused)
			i.KeepSettings = true
			did, err := i.Run(t.Context(), bytes.NewReader(file.Bytes()))
			all := rows(t, to)
			if err != nil || did.Settings != 0 || all["mail"].Lane != c.lane || all["lost"].Lane != c.history {
				t.Errorf("%v: %+v, %v; lanes %q and %q", c.queues, did, err, all["mail"].Lane, all["lost"].Lane)
			}
			if no := errors.Is(refused["mail"], ErrNoQueue); no != (c.lane == "") || len(refused) != did.Refused {
				t.Errorf("%v: refused %v", c.queues, refused)
			}
		}
	})
	t.Run("versions stay", func(t *testing.T) {
		to := open(t)
		imported(t, to, file.Bytes(), Imported{Tasks: 12, New: 12, Settings: 3})
		for _, name := range []string{dispatch.SettingsName, dispatch.SettingsVersion(1), dispatch.SettingsVersion(2)} {
			a, err := from.Load(t.Context(), name)
			b, err2 := to.Load(t.Context(), name)
			if err != nil || err2 != nil || a.Version != b.Version || !bytes.Equal(a.Body, b.Body) {
				t.Errorf("%s: %d %s, want %d %s: %v, %v", name, b.Version, b.Body, a.Version, a.Body, err, err2)
			}
		}
	})
	t.Run("a store without any", func(t *testing.T) {
		bare := open(t)
		put(t, bare, newTask("a"))
		file, _ := exported(t, bare)
		imported(t, open(t), file.Bytes(), Imported{Tasks: 1, New: 1})
	})
}

// A tenant's task without its tenant would go where that may not, under another's name and beyond its limits.
func TestTenantsStay(t *testing.T) {
	mine, failed, named := newTask("mine"), newTask("failed"), newTask("named-since")
	mine.Tenant, mine.Lane = "acme", "default~acme#1"
	failed.Tenant = "acme"
	failed = finished(failed, dispatch.Exhausted)
	failed.Lane = "default~acme!failed#1"
	named.Tenant = "acme"
	for _, c := range []struct {
		name                      string
		there                     map[string]dispatch.TenantSettings
		lane, history, namedSince string
	}{
		{"the tenant is named there", map[string]dispatch.TenantSettings{"acme": {Lanes: 2}}, "default~acme#1", "default~acme!failed#1", "default#0"},
		{"with fewer lanes", map[string]dispatch.TenantSettings{"acme": {}}, "default~acme#0", "default~acme!failed#0", "default#0"},
		{"it is not", nil, "default#0", "default!failed#0", "default#0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := open(t), open(t)
			put(t, from, mine, failed, named)
			file, _ := exported(t, from)
			if _, err := dispatch.SaveSettings(t.Context(), to, dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 1}}, Tenants: c.there}); err != nil {
				t.Fatal(err)
			}
			imported(t, to, file.Bytes(), Imported{Tasks: 3, New: 3})
			for id, lane := range map[string]string{"mine": c.lane, "failed": c.history, "named-since": c.namedSince} {
				if got := rows(t, to)[id]; got.Tenant != "acme" || got.Lane != lane {
					t.Errorf("%s is of %q in lane %q, want acme in %q", id, got.Tenant, got.Lane, lane)
				}
			}
		})
	}
}

// A field that a task gets and the file does not would be lost.
func TestEveryFieldIsKept(t *testing.T) {
	var task dispatch.Task
	fields := reflect.ValueOf(&task).Elem()
	for i := range fields.NumField() {
		switch name := fields.Type().Field(i).Name; f := fields.Field(i).Addr().Interface().(type) {
		case *string:
			*f = "some " + name
		case *dispatch.State:
			*f = dispatch.Delivered
		case *int:
			*f = i + 1
		case *int64:
			*f = int64(i + 1)
		case *bool:
			*f = true
		case *[]byte:
			*f = []byte(`"` + name + `"`)
		case *time.Time:
			*f = now.Add(time.Duration(i) * time.Second)
		case *time.Duration:
			*f = time.Duration(i+1) * time.Second
		case *[]dispatch.Progress:
			*f = []dispatch.Progress{{Attempts: 1}}
		default:
			t.Fatalf("%s is a %T", name, f)
		}
	}
	task.Lease, task.Until = "", time.Time{} // which is not exported
	r, err := rowOf(task)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var read row
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if got, err := read.task(); err != nil || !reflect.DeepEqual(got, task) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, task)
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	from, to := open(t), open(t)
	gone, stays := finished(newTask("gone"), dispatch.Delivered), newTask("stays")
	gone.TTL = now
	put(t, from, gone, stays)
	file, did := exported(t, from)
	if did != (Exported{Tasks: 1, Gone: 1}) {
		t.Errorf("exported %+v", did)
	}
	old := stays
	old.TTL, old.Doc = now, []byte(`{}`)
	put(t, to, old) // past its retention: its id is free
	imported(t, to, file.Bytes(), Imported{Tasks: 1, New: 1})
	if got := rows(t, to)["stays"]; string(got.Doc) != string(stays.Doc) {
		t.Errorf("%s is there", got.Doc)
	}

	newer := newTask("newer")
	newer.Version = dispatch.FormatVersion + 1
	put(t, from, newer)
	if _, err := Export(t.Context(), from, new(bytes.Buffer), now, func(int) {}); !errors.Is(err, ErrNewer) {
		t.Errorf("a row of a newer version is exported: %v", err)
	}
}

// A file that is not as it was written is noticed, whatever was done to it.
func TestBrokenFiles(t *testing.T) {
	from := open(t)
	put(t, from, newTask("a"), newTask("b"))
	whole, _ := exported(t, from)
	text := whole.String()
	lines := strings.SplitAfter(text, "\n")
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"as it was written", text, nil},
		{"empty", "", ErrNoExport},
		{"something else", "{\"tasks\": []}\n", ErrNoExport},
		{"no JSON", "PK\x03\x04\n", ErrNoExport},
		{"the header alone", lines[0], ErrTruncated},
		{"without its end", strings.Join(lines[:3], ""), ErrTruncated},
		{"cut within a line", text[:len(text)-10], ErrTruncated},
		{"without its last line break", text[:len(text)-1], ErrTruncated},
		{"a line less", lines[0] + lines[1] + lines[3], ErrChanged},
		{"a line twice", lines[0] + lines[1] + lines[2] + lines[2] + lines[3], ErrChanged},
		{"in another order", lines[0] + lines[2] + lines[1] + lines[3], ErrChanged},
		{"a byte changed", strings.Replace(text, "a.example/a", "a.example/x", 1), ErrChanged},
		{"more behind its end", text + lines[1], ErrChanged},
		{"a field that is not known", strings.Replace(text, `"state"`, `"colour":"red","state"`, 1), ErrChanged},
		{"a line of nothing", lines[0] + "{}\n" + lines[3], ErrChanged},
		{"a newer format", strings.Replace(text, `"format":1`, `"format":2,"more":true`, 1), ErrNewer},
		{"newer rows", strings.Replace(text, fmt.Sprintf(`"version":%d`, dispatch.FormatVersion), `"version":99`, 1), ErrNewer},
	} {
		if n, err := Check(strings.NewReader(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %d tasks, %v; want %v", c.name, n, err, c.want)
		}
		if _, err := importing(new(storetest.Memory), nil).Run(t.Context(), strings.NewReader(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s, imported: %v; want %v", c.name, err, c.want)
		}
	}
	long := lines[0] + `{"task":{"id":"` + strings.Repeat("a", maxLine) + `"}}` + "\n"
	if _, err := Check(strings.NewReader(long)); err == nil {
		t.Error("a line without an end was read")
	}
}

// A row that a store could take for its own, or that could never be sent, is of no export.
func TestRowsThatNobodyExported(t *testing.T) {
	for _, change := range []func(*dispatch.Task){
		func(t *dispatch.Task) { t.ID = "/group/g" },
		func(t *dispatch.Task) { t.ID = "" },
		func(t *dispatch.Task) { t.Timeout = 0 },
		func(t *dispatch.Task) { t.Timeout = -time.Second },
	} {
		from, to, task := new(storetest.Memory), new(storetest.Memory), newTask("a")
		change(&task)
		put(t, from, task)
		file, _ := exported(t, from)
		if did, err := importing(to, nil).Run(t.Context(), bytes.NewReader(file.Bytes())); !errors.Is(err, ErrChanged) || len(rows(t, to)) > 0 {
			t.Errorf("%q, %s: %+v, %v", task.ID, task.Timeout, did, err)
		}
	}
}

func TestLargestRows(t *testing.T) {
	from, to := open(t), open(t)
	for i, filler := range []string{"a", "\xff", "\u2028"} {
		task := newTask(fmt.Sprint(i))
		task.Doc = []byte(`"` + strings.Repeat(filler, (dispatch.MaxRow-4096)/len(filler)) + `"`)
		put(t, from, task)
	}
	file, _ := exported(t, from)
	imported(t, to, file.Bytes(), Imported{Tasks: 3, New: 3})
	wantRows(t, to, from)
}

func FuzzImport(f *testing.F) {
	from := new(storetest.Memory)
	put(f, from, newTask("a"))
	file, _ := exported(f, from)
	f.Add(file.Bytes())
	f.Add([]byte(strings.Replace(file.String(), `"doc":{"uri":"https://a.example/a"}`, `"doc":{"bytes":"AA=="},"progress":[{"attempts":1}]`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, whole := Check(bytes.NewReader(text))
		to := new(storetest.Memory)
		_, err := importing(to, map[string]error{}).Run(t.Context(), bytes.NewReader(text))
		if whole != nil && err == nil {
			t.Errorf("imported what is broken: %v", whole)
		}
	})
}
