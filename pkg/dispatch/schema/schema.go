// Package schema holds the JSON Schemas (draft 2020-12) of what users write and read: the input of enqueue,
// the settings, and enqueue's answer. Tests keep them equal to what package dispatch accepts and returns.
//
// What a schema cannot say, only the parser sees: its faults name the field and say what is wrong.
package schema

import (
	"embed"
	"io/fs"
)

//go:embed task.json settings.json answer.json
var files embed.FS

// Files returns the schemas as task.json, settings.json and answer.json.
func Files() fs.FS { return files }

// Task returns the schema of enqueue's input: one task, or {"tasks": […]}.
func Task() []byte { return read("task.json") }

// Settings returns the schema of the settings document.
func Settings() []byte { return read("settings.json") }

// Answer returns the schema of enqueue's answer: a receipt, the receipts of a list, or problem details.
func Answer() []byte { return read("answer.json") }

func read(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("schema: " + err.Error()) // it is embedded: this cannot be
	}
	return b
}
