package dynamo

import (
	"slices"
	"strings"
)

// aliases maps #name to each name: many attributes' names are words that DynamoDB reserves. All of them must occur in
// the request's expressions.
func aliases(names ...string) map[string]string {
	m := make(map[string]string, len(names))
	for _, name := range names {
		m["#"+name] = name
	}
	return m
}

// assign returns an update expression that sets the row's attributes and removes those names that it lacks, and
// adds the row's values as :name to values.
func assign(r row, names []string, values row) string {
	var set, remove []string
	for _, name := range slices.Sorted(slices.Values(names)) {
		v, ok := r[name]
		if !ok {
			remove = append(remove, "#"+name)
			continue
		}
		set = append(set, "#"+name+" = :"+name)
		values[":"+name] = v
	}
	update := "SET " + strings.Join(set, ", ")
	if len(remove) > 0 {
		update += " REMOVE " + strings.Join(remove, ", ")
	}
	return update
}
