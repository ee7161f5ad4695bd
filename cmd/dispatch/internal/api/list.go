package api

import (
	"fmt"
	"net/http"
	"strconv"

	"example.com/dispatch/cmd/dispatch/internal/pick"
	"example.com/dispatch/cmd/dispatch/internal/problem"
	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// list answers with the tasks of a queue and a tenant in a state: those that are scheduled in the order they are due,
// failures newest first, others in no order.
func (a API) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	state, queue, limit := dispatch.State(query.Get("state")), query.Get("queue"), defaultLimit
	if state != "" && !view.IsState(state) {
		problem.Status(w, http.StatusBadRequest, fmt.Sprintf("state: there is no %q; there are %v", state, view.States()))
		return
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			problem.Status(w, http.StatusBadRequest, fmt.Sprintf("limit: must be a whole number from 1 to %d", maxLimit))
			return
		}
		limit = n
	}
	identified := query.Get("identified")
	if identified != "" && identified != "true" && identified != "false" {
		problem.Status(w, http.StatusBadRequest, "identified: must be true or false")
		return
	}
	wanted := pick.Query{State: state, Queue: queue, Tenant: query.Get("tenant"), Identifiers: query["identifier"], Identified: identified == "true"}
	settings, err := a.Engine.Settings(r.Context())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	tasks := []view.Task{}
	for t, err := range pick.Tasks(r.Context(), a.Store, a.Engine.Editor, wanted) {
		if err != nil {
			a.fail(w, r, err)
			return
		}
		tasks = append(tasks, view.New(t, a.Now(), settings.Redact))
		if len(tasks) >= limit {
			break
		}
	}
	answer(w, http.StatusOK, struct {
		Tasks []view.Task `json:"tasks"`
	}{tasks})
}
