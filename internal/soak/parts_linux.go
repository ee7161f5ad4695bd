package main

func parts() []part {
	return []part{
		{"kill", 200, kill},
		{"limit", 20, limitedDisk},
		{"full", 20, mountedDisk},
		{"dynamodb", 40, onDynamoDB},
	}
}
