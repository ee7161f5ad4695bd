package main

import "testing"

func TestTenants(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "tenants.json", `{"queues": {"default": {}}, "tenants": {"acme": {"allowedHosts": ["api.acme.com"], "inFlight": 1}, "globex": {"lanes": 2}}}`)
	write(t, folder, "without.json", `{"queues": {"default": {}}, "tenants": {"globex": {"lanes": 2}}}`)
	write(t, folder, "fewer.json", `{"tenants": {"acme": {}, "globex": {}}}`)
	write(t, folder, "wrong.json", `{"tenants": {"acme": {"queues": {"mail": {}}, "allowedHosts": ["https://api.acme.com/"]}}}`)
	steps(t, folder, []step{
		{"any name, while none is named", "enqueue", `{"id": "early", "tenant": "initech", "uri": "https://a.example/", "delay": 60}`, 0, "early", "", ""},
		{"faults", "settings apply wrong.json", "", 2, "", "#/tenants/acme/queues/mail: there is no queue", ""},
		{"and the other", "settings apply wrong.json", "", 2, "", "#/tenants/acme/allowedHosts/0: must be the name of a host", ""},
		{"apply", "settings apply tenants.json", "", 0, "version 1", "", ""},
		{"get", "settings get", "", 0, `"api.acme.com"`, "", ""},
		{"remove one", "settings apply without.json", "", 2, "", "#/tenants/acme: the tenant exists and may hold tasks: it cannot be removed; retire it", ""},
		{"lower its lanes", "settings apply fewer.json", "", 2, "", "#/tenants/globex/lanes: is 2 now", ""},
		{"enqueue", "enqueue", `{"tasks": [{"id": "a", "tenant": "acme", "uri": "https://api.acme.com/"}, {"id": "g", "tenant": "globex", "uri": "https://a.example/"}, {"id": "p", "uri": "https://a.example/"}]}`, 0, "a  scheduled", "", ""},
		{"an unknown one", "enqueue", `{"tenant": "initech", "uri": "https://a.example/"}`, 2, "", `#/tenant: there is no tenant "initech"; there are acme, globex`, ""},
		{"another host", "enqueue", `{"tasks": [{"uri": "https://a.example/"}, {"tenant": "acme", "uri": "https://a.example/"}]}`, 2, "", `#/tasks/1/uri: has the host "a.example"`, ""},
		{"list", "list", "", 0, "QUEUE    TENANT", "", ""},
		{"list one's", "list --tenant acme", "", 0, "a   scheduled  default  acme", "", "globex"},
		{"list one's, scheduled", "list --tenant globex --state scheduled", "", 0, "g", "", "acme"},
		{"list that of one that is not named any more", "list --tenant initech --state scheduled --json", "", 0, `"tenant": "initech"`, "", "acme"},
		{"list without tenants has no column", "list --queue none", "", 0, "", "no such tasks", ""},
		{"show", "show a", "", 0, "tenant   acme", "", ""},
		{"why it waits", "show a", "", 0, "its tenant acme is limited, and others may come first: 0 of 1 calls are in flight", "", ""},
		{"show one of nobody's", "show p", "", 0, "queue", "", "tenant"},
		{"pausing keeps the tenants", "pause default --json", "", 0, `"api.acme.com"`, "", ""},
		{"cancel", "cancel a", "", 0, "cancelled", "", ""},
		{"cancel another's", "cancel g", "", 0, "cancelled", "", ""},
		{"run one's again", "retry --state cancelled --tenant acme --yes", "", 0, "1 task retried", "", ""},
		{"the other stays", "show g", "", 0, "cancelled by hand", "", ""},
		{"ids and a tenant", "retry a --tenant acme", "", 2, "", "not both", ""},
		{"clear one's", "clear --older-than 8h --tenant acme --yes", "", 0, "0 tasks deleted", "", ""},
	})
}
