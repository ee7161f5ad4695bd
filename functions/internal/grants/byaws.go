package grants

// Reasons are calls that Lambda makes in a function's name, each with the reason.
type Reasons map[Call]string

// Logs is what it does for every function: the runtime writes what the function prints into its log group.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html
func Logs(group string) Reasons {
	stream := "arn:aws:logs:" + Region + ":" + Account + ":log-group:" + group + ":log-stream:2026/01/31/x"
	return Reasons{
		{Action: "logs:CreateLogStream", Resource: stream}: "the runtime begins to log",
		{Action: "logs:PutLogEvents", Resource: stream}:    "the runtime logs",
	}
}

// VPC is what it does besides for a function in a VPC.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
func VPC() Reasons {
	all := Reasons{}
	for _, action := range []string{
		"CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
	} {
		all[Call{Action: "ec2:" + action, Resource: "arn:aws:ec2:" + Region + ":" + Account + ":network-interface/eni-1"}] = "Lambda joins the VPC"
	}
	return all
}

// Queues is what it does for a function that takes messages of a queue, and has one for the events that failed.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func Queues(tasks, failures string) Reasons {
	queue := func(name string) string { return "arn:aws:sqs:" + Region + ":" + Account + ":" + name }
	return Reasons{
		{Action: "sqs:ReceiveMessage", Resource: queue(tasks)}:     "the event source mapping polls",
		{Action: "sqs:DeleteMessage", Resource: queue(tasks)}:      "the event source mapping deletes what was taken",
		{Action: "sqs:GetQueueAttributes", Resource: queue(tasks)}: "the event source mapping scales",
		{Action: "sqs:SendMessage", Resource: queue(failures)}:     "Lambda keeps events that failed",
	}
}
