package dynamo

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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
	var update []string
	if len(set) > 0 {
		update = append(update, "SET "+strings.Join(set, ", "))
	}
	if len(remove) > 0 {
		update = append(update, "REMOVE "+strings.Join(remove, ", "))
	}
	return strings.Join(update, " ")
}

// condition is made of clauses, all of which must hold.
type condition struct {
	clauses []string
	names   map[string]string
	values  row
}

// equal adds that an attribute has this value.
func (c *condition) equal(name string, v types.AttributeValue) {
	c.add("#"+name+" = :was_"+name, name)
	if c.values == nil {
		c.values = row{}
	}
	c.values[":was_"+name] = v
}

// same adds that an attribute is this text, or is missing if the text is empty.
func (c *condition) same(name, s string) {
	if s == "" {
		c.add("attribute_not_exists(#"+name+")", name)
		return
	}
	c.equal(name, text(s))
}

func (c *condition) add(clause, name string) {
	c.clauses = append(c.clauses, clause)
	if c.names == nil {
		c.names = map[string]string{}
	}
	maps.Copy(c.names, aliases(name))
}

// String is the condition's expression.
func (c *condition) String() string { return strings.Join(c.clauses, " AND ") }
