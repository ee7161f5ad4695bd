package function

import (
	"fmt"
	"strings"
	"testing"
)

const (
	uuid1 = "059f36b4-87a3-44ab-83d2-661975830a7d"
	uuid2 = "2e1424d4-f796-459a-8184-9c92662be6da"
)

func record(id, source, arn string) string {
	return `{"messageId":"` + id + `","eventSource":"` + source + `","eventSourceARN":"` + arn + `","body":"{}"}`
}

func TestReadMessages(t *testing.T) {
	const arn = "arn:aws:sqs:eu-west-1:123456789012:tasks"
	sqs := record(uuid1, "aws:sqs", arn)
	for _, c := range []struct{ name, event, want string }{
		{"one", `{"Records":[` + sqs + `]}`, uuid1 + " {}"},
		{"two", `{"Records":[` + sqs + `,` + record(uuid2, "aws:sqs", arn) + `]}`, uuid1 + " {} " + uuid2 + " {}"},
		{"in order", `{"Records":[` + record(uuid1, "aws:sqs", arn+".fifo") + `]}`, uuid1 + " {} fifo"},
		{"no body", `{"Records":[{"messageId":"` + uuid1 + `","eventSource":"aws:sqs"}]}`, uuid1 + " "},
		{"none", `{"Records":[]}`, "no"},
		{"no list", `{"Records":{"eventSource":"aws:sqs"}}`, "no"},
		{"of SNS", `{"Records":[` + strings.ReplaceAll(sqs, "aws:sqs", "aws:sns") + `]}`, "no"},
		{"one of SNS", `{"Records":[` + sqs + `,` + strings.ReplaceAll(sqs, "aws:sqs", "aws:sns") + `]}`, "no"},
		{"names in other cases", strings.ReplaceAll(`{"Records":[`+sqs+`]}`, "Records", "records"), "no"},
		{"names in other cases within", strings.ReplaceAll(`{"Records":[`+sqs+`]}`, `"eventSource"`, `"EventSource"`), "no"},
		{"and something else", `{"Records":[` + sqs + `],"uri":"https://example.com/"}`, "no"},
		{"a task that speaks of them", `{"uri":"https://example.com/","body":{"Records":[` + sqs + `]}}`, "no"},
		{"no object", `[` + sqs + `]`, "no"},
		{"no JSON", `{"Records":[` + sqs, "no"},
		{"a message that cannot be named", `{"Records":[` + sqs + `,` + record("/doc/settings", "aws:sqs", arn) + `]}`, "#/Records/1/messageId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			messages, ok, faults := readMessages([]byte(c.event))
			var parts []string
			for _, m := range messages {
				parts = append(parts, m.id+" "+m.body)
				if m.fifo {
					parts = append(parts, "fifo")
				}
			}
			switch {
			case faults != nil:
				parts = []string{faults.Faults[0].Pointer}
			case !ok:
				parts = []string{"no"}
			}
			if got := strings.Join(parts, " "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestReadInput(t *testing.T) {
	bridged := func(change func(string) string) string {
		return change(`{"id":"` + uuid1 + `","detail-type":"Paid","source":"com.example","detail":{"uri":"https://example.com/"}}`)
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.ReplaceAll(s, old, new) }
	}
	same := func(s string) string { return s }
	const plain = "request unread false"
	for _, c := range []struct{ name, event, want string }{
		{"a task", `{"uri":"https://example.com/"}`, plain},
		{"a list", `{"tasks":[]}`, plain},
		{"no JSON", `{`, plain},
		{"nothing", ``, plain},
		{"an event", bridged(same), uuid1 + " /detail unread true"},
		{"without a source", bridged(replace(`"source":"com.example",`, ``)), plain},
		{"without a type", bridged(replace(`detail-type`, `detailType`)), plain},
		{"without a detail", bridged(replace(`"detail":`, `"details":`)), plain},
		{"a type that is no text", bridged(replace(`"Paid"`, `1`)), plain},
		{"a name in another case", bridged(replace(`"detail":`, `"Detail":`)), plain},
		{"a task with the fields of an event", bridged(replace(`"source"`, `"uri":"https://example.com/","source"`)), plain},
		{"a list with the fields of an event", bridged(replace(`"source"`, `"tasks":[],"source"`)), plain},
		{"a type with the fields of an event", bridged(replace(`"source"`, `"type":"invoice","source"`)), plain},
		{"a task that speaks of one", `{"uri":"https://example.com/","body":` + bridged(same) + `}`, plain},
		{"an event without an id", bridged(replace(`"id":"`+uuid1+`",`, ``)), "#/id"},
		{"an event whose id is none of AWS", bridged(replace(uuid1, `/doc/settings`)), "#/id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, faults := readInput([]byte(c.event), "request")
			got := strings.Join(strings.Fields(fmt.Sprintf("%s %s unread %t", in.name, in.parent, in.unread)), " ")
			if faults != nil {
				got = faults.Faults[0].Pointer
			} else if whole := string(in.text) == c.event; whole != (c.want == plain) {
				t.Errorf("text %s", in.text)
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestIsUUID(t *testing.T) {
	for s, want := range map[string]bool{
		uuid1: true, strings.ToUpper(uuid1): true, "": false, uuid1 + "0": false, uuid1[1:]: false,
		strings.ReplaceAll(uuid1, "-", "0"): false, strings.Replace(uuid1, "0", "/", 1): false, strings.Replace(uuid1, "0", "-", 1): false,
	} {
		if got := isUUID(s); got != want {
			t.Errorf("%q: %t", s, got)
		}
	}
}
