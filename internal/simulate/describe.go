package simulate

import (
	"errors"
	"fmt"
	"strings"

	"example.com/dispatch/internal/simulate/table"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// describe names a request: the operation and the rows, and what tells a claim, a settle and the others apart.
func describe(in any) string {
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		return "get " + text(in.Key, "id")
	case *dynamodb.BatchGetItemInput:
		var ids []string
		for _, keys := range in.RequestItems {
			for _, key := range keys.Keys {
				ids = append(ids, text(key, "id"))
			}
		}
		return "get " + strings.Join(ids, ", ")
	case *dynamodb.QueryInput:
		from := ""
		if in.ExclusiveStartKey != nil {
			from = " from " + text(in.ExclusiveStartKey, "id")
		}
		return "query " + text(in.ExpressionAttributeValues, ":lane") + from
	case *dynamodb.ScanInput:
		return "scan from " + text(in.ExclusiveStartKey, "id")
	case *dynamodb.PutItemInput:
		return "put " + text(in.Item, "id")
	case *dynamodb.DeleteItemInput:
		return "delete " + text(in.Key, "id")
	case *dynamodb.UpdateItemInput:
		return updating(aws.ToString(in.UpdateExpression)) + " " + text(in.Key, "id")
	case *dynamodb.TransactWriteItemsInput:
		var parts []string
		for _, item := range in.TransactItems {
			switch {
			case item.Put != nil:
				parts = append(parts, "put "+text(item.Put.Item, "id"))
			case item.Update != nil:
				parts = append(parts, updating(aws.ToString(item.Update.UpdateExpression))+" "+text(item.Update.Key, "id"))
			case item.Delete != nil:
				parts = append(parts, "delete "+text(item.Delete.Key, "id"))
			default:
				parts = append(parts, "check "+text(item.ConditionCheck.Key, "id"))
			}
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprintf("%T", in)
}

func updating(update string) string {
	switch {
	case strings.HasPrefix(update, "SET #lease"):
		if strings.Contains(update, "#lapses") {
			return "claim lapsed"
		}
		return "claim"
	case strings.Contains(update, "#lease") && strings.Contains(update, "REMOVE"):
		return "settle"
	case strings.HasPrefix(update, "SET #state"):
		return "hand over to"
	case strings.HasPrefix(update, "SET #next"):
		return "join behind"
	}
	return "update"
}

func outcomeOf(out any, err error) string {
	no, cancelled := (*types.ConditionalCheckFailedException)(nil), (*types.TransactionCanceledException)(nil)
	switch {
	case errors.As(err, &no):
		return "refused by " + brief(no.Item)
	case errors.As(err, &cancelled):
		var reasons []string
		for _, r := range cancelled.CancellationReasons {
			reasons = append(reasons, aws.ToString(r.Code)+" "+brief(r.Item))
		}
		return "cancelled: " + strings.Join(reasons, "; ")
	case err != nil:
		return err.Error()
	}
	switch out := out.(type) {
	case *dynamodb.GetItemOutput:
		return brief(out.Item)
	case *dynamodb.QueryOutput:
		var found []string
		for _, r := range out.Items {
			found = append(found, text(r, "id"))
		}
		return "[" + strings.Join(found, " ") + "]"
	case *dynamodb.UpdateItemOutput:
		if out.Attributes != nil {
			return brief(out.Attributes)
		}
	}
	return "done"
}

// brief is what of a row a story needs.
func brief(r table.Row) string {
	if r == nil {
		return "no row"
	}
	s := text(r, "state")
	if s == "" {
		return "a row"
	}
	if n := number(r, "lapses"); n > 0 {
		s += fmt.Sprintf(", %d lapses", n)
	}
	if r["lease"] != nil {
		s += ", leased by " + text(r, "lease")
	}
	return s
}

// worthTelling reports whether a request that succeeds moves the story on.
func worthTelling(in any) bool {
	switch in := in.(type) {
	case *dynamodb.QueryInput:
		return false
	case *dynamodb.GetItemInput:
		return text(in.Key, "id") != "/doc/settings"
	}
	return true
}
