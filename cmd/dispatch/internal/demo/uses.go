package demo

import (
	"net/http"

	"example.com/dispatch/pkg/dispatch"
)

// use is one task of the demo: what is enqueued, what the receiver answers, and how it should end.
type use struct {
	id       string
	story    string
	task     string // JSON; RECEIVER stands for where the receiver is
	path     string
	answers  []int // to the calls in turn; the last one to all that follow
	ends     dispatch.State
	attempts int
}

func uses() []use {
	return []use{
		{
			id: "call-record-4711", path: "/calls/4711",
			story: "a call record: PATCH, 202 delivers it, it lives a day. The receiver fails twice.",
			task: `{"id": "call-record-4711", "method": "PATCH", "uri": "RECEIVER/calls/4711", "body": {"answered": true, "seconds": 97},
				"successCodes": 202, "lifetime": 86400, "attempts": {"interval": 1}}`,
			answers: []int{503, 503, 202}, ends: dispatch.Delivered, attempts: 3,
		},
		{
			id: "chat-status-88", path: "/chats/88/status",
			story: "a chat status: it lives five minutes, every 2 s (really 10), 404 stops it. The chat is gone by the second attempt.",
			task: `{"id": "chat-status-88", "uri": "RECEIVER/chats/88/status", "body": {"status": "read"},
				"stopCodes": 404, "lifetime": 300, "attempts": {"interval": 2}}`,
			answers: []int{500, 404}, ends: dispatch.Stopped, attempts: 2,
		},
		{
			id: "logistic-status-12", path: "/shipments/12/status",
			story: "a logistic status, due in 3 s: 202 delivers it, 410 stops it, it lives a day.",
			task: `{"id": "logistic-status-12", "uri": "RECEIVER/shipments/12/status", "body": {"status": "delivered"}, "delay": 3,
				"successCodes": 202, "stopCodes": 410, "lifetime": 86400, "attempts": {"interval": 1}}`,
			answers: []int{202}, ends: dispatch.Delivered, attempts: 1,
		},
		{
			id: "logistic-status-13", path: "/shipments/13/status",
			story: "another one, due in 1 s, of a shipment that the receiver has removed: it answers 410.",
			task: `{"id": "logistic-status-13", "uri": "RECEIVER/shipments/13/status", "body": {"status": "delivered"}, "delay": 1,
				"successCodes": 202, "stopCodes": 410, "lifetime": 86400, "attempts": {"interval": 1}}`,
			answers: []int{410}, ends: dispatch.Stopped, attempts: 1,
		},
		{
			id: "reminder-7", path: "/reminders/7",
			story: "a reminder that is worth nothing after 5 s. Its receiver always fails.",
			task: `{"id": "reminder-7", "uri": "RECEIVER/reminders/7", "body": {"text": "your taxi is here"},
				"lifetime": 5, "httpTimeout": 1, "attempts": {"limit": 10, "interval": 3}}`,
			answers: []int{503}, ends: dispatch.Expired, attempts: 2,
		},
	}
}

// script answers as the uses say.
func script(uses []use) func(*http.Request, int) int {
	answers := map[string][]int{}
	for _, u := range uses {
		answers[u.path] = u.answers
	}
	return func(r *http.Request, nth int) int {
		all := answers[r.URL.Path]
		if len(all) == 0 {
			return http.StatusNotFound
		}
		return all[min(nth, len(all))-1]
	}
}
