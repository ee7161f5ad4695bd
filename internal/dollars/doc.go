// Command dollars prints what a million delivered tasks cost on AWS, line by line, by list prices.
//
// What is billed is counted, not estimated: the real functions run as processes, on DynamoDB Local behind a proxy that
// adds up the capacity that it reports, invoked by a stand-in for Lambda that notes how long each invocation took; they
// call a receiver that takes 50 ms. Run it on a machine that is idle otherwise: its waiting is in the GB-seconds.
package main
