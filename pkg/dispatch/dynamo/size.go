package dynamo

import (
	"fmt"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// growth is what a task's row may gain after its put, in bytes: a lease (100), a reason (230), and progress, whose
// error of 200 bytes JSON may escape sixfold (1500). A row that could be put but not claimed would never be called.
const growth = 2 << 10

// room is how much the row may gain: what any task may, and a member of a group the ids of the members before and behind
// it, of which the latter comes when it must not fail.
func room(r row) int {
	n := growth
	if r["group"] == nil {
		return n
	}
	for _, name := range []string{"prev", "next"} {
		if r[name] == nil {
			n += len(name) + maxID
		}
	}
	return n
}

// fits fails with [dispatch.ErrTooLarge] if the row, with room to grow by so much, is over [dispatch.MaxRow].
func fits(r row, growth int) error {
	if n := size(r); n+growth > dispatch.MaxRow {
		return fmt.Errorf("%w: %d bytes, the limit is %d", dispatch.ErrTooLarge, n, dispatch.MaxRow-growth)
	}
	return nil
}

// size is the most that DynamoDB counts for the row: the names, the values, and of numbers a byte for every two
// digits, one for the magnitude and one for the sign.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func size(r row) int {
	n := 0
	for name, value := range r {
		n += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += (len(v.Value)+1)/2 + 2
		}
	}
	return n
}
