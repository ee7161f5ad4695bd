package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExportAndImport(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "settings.json", `{"queues": {"default": {"lanes": 2}, "mail": {"lanes": 1}}}`)
	write(t, folder, "other.json", `{"queues": {"default": {"lanes": 1}}}`)
	const group = `{"tasks": [{"id": "g0", "group": "g", "uri": "https://a.example/", "delay": 3600},
		{"id": "g1", "group": "g", "uri": "https://a.example/"}, {"id": "m", "queue": "mail", "tenant": "acme", "uri": "https://a.example/", "delay": 60}]}`
	steps(t, folder, []step{
		{"export what is not there", "export out.jsonl", "", 1, "", "there is no database", ""},
		{"settings", "settings apply settings.json", "", 0, "version 1", "", ""},
		{"enqueue", "enqueue", task, 0, "a  scheduled", "", ""},
		{"enqueue a group", "enqueue", group, 0, "g1  blocked", "", ""},
		{"export", "export out.jsonl", "", 0, "4 tasks exported, 0 of them leased; 0 past", "", ""},
		{"export for programs", "export other.jsonl --json", "", 0, `"tasks": 4`, "", ""},
		{"export to a folder that is none", "export no/out.jsonl", "", 2, "", "no/out", ""},
		{"import", "import out.jsonl --store sqlite:to.db", "", 0, "4 tasks: 4 imported, 0 there already, 0 left out", "", ""},
		{"import again", "import out.jsonl --store sqlite:to.db --json", "", 0, `"same": 4`, "", ""},
		{"settings came along", "settings get --store sqlite:to.db", "", 0, `"mail"`, "", ""},
		{"of the tenant", "list --tenant acme --store sqlite:to.db", "", 0, "acme", "", "g0"},
		{"its turn", "show g1 --store sqlite:to.db", "", 0, "blocked behind g0", "", ""},
		{"one that goes on", "cancel m --store sqlite:to.db", "", 0, "cancelled by hand", "", ""},
		{"is left alone", "import out.jsonl --store sqlite:to.db", "", 1, "3 there already, 1 left out", "task m: the id is there", ""},
		{"other settings there", "settings apply other.json --store sqlite:other.db", "", 0, "version 1", "", ""},
		{"are not overwritten", "import out.jsonl --store sqlite:other.db", "", 1, "0 tasks", "nothing was imported", ""},
		{"are kept", "import out.jsonl --store sqlite:other.db --keep-settings", "", 1, "3 imported, 0 there already, 1 left out", "task m: the settings there have no such queue: nothing would ever look for it: mail", ""},
		{"import no file", "import nope.jsonl", "", 2, "", "nope.jsonl", ""},
		{"import something else", "import settings.json", "", 1, "", "no export of dispatch", ""},
	})
	text, err := os.ReadFile(filepath.Join(folder, "out.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(folder, "out.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	cut := string(text[:len(text)-100])
	write(t, folder, "cut.jsonl", cut)
	steps(t, folder, []step{
		{"a file that is cut off", "import cut.jsonl --store sqlite:cut.db", "", 1, "", "cut off: its last line is missing; nothing was imported", ""},
		{"leaves nothing", "list --store sqlite:cut.db", "", 1, "", "there is no database", ""},
		{"standard input that is cut off", "import --store sqlite:cut.db", cut, 1, "4 imported", "cut off", ""},
		{"and all of it", "import --store sqlite:cut.db", string(text), 0, "0 imported, 4 there already", "", ""},
	})
	piped := dispatchIn(t, folder, "", "export")
	if header, _, _ := strings.Cut(piped.out, "\n"); piped.code != 0 || !strings.HasPrefix(header, `{"dispatch":{"format":1,`) || !strings.Contains(piped.err, "4 tasks exported") {
		t.Errorf("exit %d, %s: %s", piped.code, header, piped.err)
	}
	if left, err := filepath.Glob(filepath.Join(folder, "*.jsonl.*")); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
	launch(t, folder, "serve", "--listen", "127.0.0.1:0")
	if got := dispatchIn(t, folder, "", "export", "live.jsonl"); got.code != 0 || !strings.Contains(got.err, "a server runs on this store") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}
