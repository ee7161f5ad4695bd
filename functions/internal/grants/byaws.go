package grants

import "maps"

// Logs is what Lambda does in the name of every function: the runtime writes what the function prints.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html
func Logs() map[string]string {
	return map[string]string{"logs:CreateLogStream": "the runtime logs", "logs:PutLogEvents": "the runtime logs"}
}

// VPC is what it does besides for a function in a VPC.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
func VPC() map[string]string {
	all := map[string]string{}
	for _, action := range []string{
		"CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
	} {
		all["ec2:"+action] = "Lambda joins the VPC"
	}
	return all
}

// Queues is what it does for a function that takes messages of a queue, and has one for the events that failed.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func Queues() map[string]string {
	return map[string]string{
		"sqs:ReceiveMessage":     "the event source mapping polls",
		"sqs:DeleteMessage":      "the event source mapping deletes what was taken",
		"sqs:GetQueueAttributes": "the event source mapping scales",
		"sqs:SendMessage":        "Lambda keeps events that failed",
	}
}

// ByAWS joins such lists.
func ByAWS(lists ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, list := range lists {
		maps.Copy(all, list)
	}
	return all
}
