package dynamo_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"example.com/dispatch/pkg/dispatch/client"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/rule"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An order and the call that tells of it are committed together, or neither is.
func ExampleOutbox() {
	ctx := context.Background()
	db := dynamodb.NewFromConfig(awsConfig()) // config.LoadDefaultConfig's in a program
	outbox := &dynamo.Outbox{
		Client: db, CheckRule: rule.Check,
		Stack: dynamo.OutboxStack{Table: "dispatch-Table", RetentionDays: 7}, // from the output OutboxStack, which is JSON
	}

	told, err := outbox.Item(ctx, client.Task{
		ID: "order-4711-paid", URI: "https://api.example.com/orders/4711", Body: map[string]bool{"paid": true}, Lifetime: 86400,
	})
	if err != nil {
		log.Fatal(err)
	}
	items := []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String("orders"), Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "4711"}}}},
		told,
	}
	_, err = db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	if _, same, there := dynamo.AlreadyThere(err, items, 1); there && same {
		err = nil // an earlier try has committed both
	}
	fmt.Println("committed:", err == nil)
	// Output: committed: true
}

// awsConfig is that of a DynamoDB which takes everything in.
func awsConfig() aws.Config {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}
