package processor

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"
)

// Whatever members come, go or claim: every partition has one owner, all partitions of a lane have the same one in every topic,
// loads differ by one lane at most, and a member keeps what it had up to its fair share.
func TestBalancer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 12).Draw(t, "lanes")
		b := &laneBalancer{lanes: lanes}
		var members []kafka.GroupMember
		claims := map[string][]int{}
		for i := range rapid.IntRange(1, 6).Draw(t, "members") {
			id := string(rune('a' + i))
			claims[id] = rapid.SliceOfDistinct(rapid.IntRange(-1, 13), rapid.ID).Draw(t, "claims")
			data, _ := json.Marshal(claims[id])
			members = append(members, kafka.GroupMember{ID: id, UserData: data})
		}
		var partitions []kafka.Partition
		for _, topic := range []string{"x", "y"} {
			for p := range lanes + rapid.IntRange(0, 9).Draw(t, "more partitions") {
				partitions = append(partitions, kafka.Partition{Topic: topic, ID: p})
			}
		}
		owner := map[int]string{}
		type place struct {
			topic string
			id    int
		}
		seen := map[place]int{}
		for id, topics := range b.AssignGroups(members, partitions) {
			for topic, ps := range topics {
				for _, p := range ps {
					seen[place{topic, p}]++
					if o, ok := owner[p%lanes]; ok && o != id {
						t.Fatalf("lane %d is split between %s and %s", p%lanes, o, id)
					}
					owner[p%lanes] = id
				}
			}
		}
		for _, p := range partitions {
			if n := seen[place{p.Topic, p.ID}]; n != 1 {
				t.Fatalf("%s:%d has %d owners", p.Topic, p.ID, n)
			}
		}
		load := map[string]int{}
		for _, o := range owner {
			load[o]++
		}
		share := lanes / len(members)
		for _, m := range members {
			if n := load[m.ID]; n < share || n > share+1 {
				t.Fatalf("%s has %d of %d lanes among %d members", m.ID, n, lanes, len(members))
			}
		}
	})
}

func TestBalancerIsSticky(t *testing.T) {
	claim := func(id string, lanes ...int) kafka.GroupMember {
		data, _ := json.Marshal(lanes)
		return kafka.GroupMember{ID: id, UserData: data}
	}
	b := &laneBalancer{lanes: 6}
	for _, c := range []struct {
		members []kafka.GroupMember
		moved   int
	}{
		{[]kafka.GroupMember{claim("a", 0, 2, 4), claim("b", 1, 3, 5)}, 0},
		{[]kafka.GroupMember{claim("a", 0, 2, 4), claim("b", 1, 3, 5), claim("c")}, 2}, // c joins: two lanes move, no more
		{[]kafka.GroupMember{claim("b", 1, 3)}, 4},                                     // the others died
	} {
		before := map[int]string{}
		for _, m := range c.members {
			var had []int
			if err := json.Unmarshal(m.UserData, &had); err != nil {
				t.Fatal(err)
			}
			for _, l := range had {
				before[l] = m.ID
			}
		}
		moved := 0
		for lane, id := range b.owners(c.members) {
			if before[lane] != id {
				moved++
			}
		}
		if moved != c.moved {
			t.Errorf("%d members: %d lanes moved, want %d", len(c.members), moved, c.moved)
		}
	}
}

// A topic that was deleted leaves nobody without lanes: kafka-go then finds no partition at all.
func TestBalancerAssignsWhatIsGone(t *testing.T) {
	b := &laneBalancer{lanes: 2, topics: []string{"x", "y"}, partitions: 2}
	for name, found := range map[string][]kafka.Partition{
		"all of them": nil, "one topic": {{Topic: "x", ID: 0}, {Topic: "x", ID: 1}}, "some partitions": {{Topic: "x", ID: 1}, {Topic: "y", ID: 0}},
	} {
		got := b.AssignGroups([]kafka.GroupMember{{ID: "a", UserData: []byte("[0]")}, {ID: "b", UserData: []byte("[1]")}}, found)
		want := kafka.GroupMemberAssignments{"a": {"x": {0}, "y": {0}}, "b": {"x": {1}, "y": {1}}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
