package main

// pricesOf says where and when the prices below were true: list prices without taxes, discounts and free allowances.
const pricesOf = "US East (N. Virginia) and the services' own pages, looked up on 2026-11-21"

// prices are list prices in dollars. DynamoDB's were halved in November 2024.
type prices struct {
	write, read   float64 // DynamoDB, on demand: a million request units
	storage       float64 // DynamoDB, standard class: a GB for a month
	request       float64 // Lambda: a million
	arm, x86      float64 // Lambda: a GB-second, of the first tier
	logs          float64 // CloudWatch Logs: a GB taken in, standard class, of the first tier
	metric, alarm float64 // CloudWatch: one of one's own, and a standard one, for a month
	scheduler     float64 // EventBridge Scheduler: a million invocations, beyond 14 million a month
	cloudTasks    float64 // Google Cloud Tasks: a million operations, beyond the first; a call of the API or a delivery attempt
	qstash        float64 // Upstash QStash, pay as you go: a million messages
}

// list are the prices, with their sources.
func list() prices {
	return prices{
		// https://aws.amazon.com/dynamodb/pricing/on-demand/ as quoted on
		// https://airbyte.com/data-engineering-resources/dynamodb-pricing (July 2025)
		write: 0.625, read: 0.125, storage: 0.25,
		// https://aws.amazon.com/lambda/pricing/ as quoted on https://cloudchipr.com/blog/aws-lambda-pricing
		request: 0.20, arm: 0.0000133334, x86: 0.0000166667,
		// https://aws.amazon.com/cloudwatch/pricing/ as quoted on https://www.duckbillgroup.com/?p=9080 (May 2025: Lambda's logs,
		// up to 10 TB) and https://signoz.io/guides/cloudwatch-pricing (February 2026)
		logs: 0.50, metric: 0.30, alarm: 0.10,
		// https://aws.amazon.com/eventbridge/pricing/ as quoted on https://cloudburn.io/blog/amazon-eventbridge-pricing (March 2026)
		scheduler: 1.00,
		// https://cloud.google.com/tasks/docs/pricing
		cloudTasks: 0.40,
		// https://upstash.com/docs/qstash/overall/pricing: $1 per 100,000. Its questions and answers say that each attempt is a
		// message, https://upstash.com/pricing/qstash.md that retries are free: here the latter.
		qstash: 10.00,
	}
}
