package main

func parts() []part { return []part{{"kill", 200, kill}} }
