// Package cloud stands in for DynamoDB and Lambda at the network: the built functions speak to it by TLS, as they do to
// AWS, and it answers after the time and within the quotas of the real ones.
package cloud
