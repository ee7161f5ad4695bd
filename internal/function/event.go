package function

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"example.com/dispatch/pkg/dispatch"
)

// input is what one run of the verb takes in.
type input struct {
	text   []byte // one task, or {"tasks": […]}
	name   string // names its tasks that have no id
	parent string // pointer to the text within what came, without "#"
	unread bool   // nobody reads the receipts
}

// message is one message of SQS, as Lambda hands it over.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
type message struct {
	id, body string
	fifo     bool // its queue is one that keeps the order
}

// readMessages reads an event of SQS: {"Records": […]}, all of them of SQS and nothing besides. ok is false for any other
// event. A task has no field of that name, so that neither can be taken for the other.
func readMessages(event []byte) (messages []message, ok bool, invalid *dispatch.InvalidInput) {
	if !bytes.Contains(event, []byte(`"aws:sqs"`)) { // spares the others another reading
		return nil, false, nil
	}
	fields := object(event)
	var records []json.RawMessage
	if len(fields) != 1 || json.Unmarshal(fields["Records"], &records) != nil || len(records) == 0 {
		return nil, false, nil
	}
	var faults []dispatch.Fault
	for i, one := range records {
		r := object(one)
		if text(r["eventSource"]) != "aws:sqs" {
			return nil, false, nil
		}
		m := message{id: text(r["messageId"]), body: text(r["body"]), fifo: strings.HasSuffix(text(r["eventSourceARN"]), ".fifo")}
		if !isUUID(m.id) {
			faults = append(faults, dispatch.Fault{Detail: "must be a UUID, as SQS makes them", Pointer: "#/Records/" + strconv.Itoa(i) + "/messageId"})
		}
		messages = append(messages, m)
	}
	if len(faults) > 0 {
		return nil, true, &dispatch.InvalidInput{Faults: faults}
	}
	return messages, true, nil
}

// readInput reads an event of EventBridge, whose detail is the task or list; any other text is that itself. A task has no
// field detail-type.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
func readInput(event []byte, name string) (input, *dispatch.InvalidInput) {
	plain := input{text: event, name: name}
	if !bytes.Contains(event, []byte(`"detail-type"`)) { // spares the others another reading
		return plain, nil
	}
	fields := object(event)
	for _, field := range []string{"uri", "type", "tasks"} {
		if _, task := fields[field]; task {
			return plain, nil
		}
	}
	if text(fields["detail-type"]) == "" || text(fields["source"]) == "" || fields["detail"] == nil {
		return plain, nil
	}
	id := text(fields["id"])
	if !isUUID(id) {
		return input{}, &dispatch.InvalidInput{Faults: []dispatch.Fault{{Detail: "must be a UUID, as EventBridge makes them", Pointer: "#/id"}}}
	}
	return input{text: fields["detail"], name: id, parent: "/detail", unread: true}, nil
}

// pointer returns a pointer into the text as one into what came.
func (in input) pointer(p string) string { return "#" + in.parent + strings.TrimPrefix(p, "#") }

// within returns the faults of the text as those of what came.
func (in input) within(invalid *dispatch.InvalidInput) *dispatch.InvalidInput {
	moved := &dispatch.InvalidInput{}
	for _, f := range invalid.Faults {
		moved.Faults = append(moved.Faults, dispatch.Fault{Detail: f.Detail, Pointer: in.pointer(f.Pointer)})
	}
	return moved
}

// object returns an object's fields by their exact names, none if the text is no object: structs would take other cases
// of a name for it.
func object(b []byte) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return nil
	}
	return fields
}

// text returns a JSON string's text, "" if it is none.
func text(b json.RawMessage) string {
	var s string
	if len(b) == 0 || json.Unmarshal(b, &s) != nil {
		return ""
	}
	return s
}

// isUUID reports whether a text is a UUID as it is usually written: ids are made of it.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}
