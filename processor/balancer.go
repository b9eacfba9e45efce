package processor

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/processor/fetch"
)

// laneBalancer assigns whole lanes: partition p of every topic belongs to lane p mod lanes. It is sticky: each member says in its
// user data which lanes it had, and keeps them up to its fair share.
type laneBalancer struct {
	lanes      int
	topics     []string // that the group has read
	partitions int      // of each of them, at least
	owned      func() []int
}

func (*laneBalancer) ProtocolName() string { return "tillstream-lanes-1" }

func (b *laneBalancer) UserData() ([]byte, error) { return json.Marshal(b.owned()) }

func (b *laneBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	members = slices.Clone(members)
	slices.SortFunc(members, func(x, y kafka.GroupMember) int { return cmp.Compare(x.ID, y.ID) })
	owner := b.owners(members)
	out := kafka.GroupMemberAssignments{}
	for _, m := range members {
		out[m.ID] = map[string][]int{}
	}
	for _, p := range b.all(partitions) {
		topics := out[owner[p.ID%b.lanes]]
		topics[p.Topic] = append(topics[p.Topic], p.ID)
	}
	return out
}

// all adds partitions that the group has read and that are gone, so that their lanes say so: where a topic was deleted, kafka-go finds no partition of any.
func (b *laneBalancer) all(found []kafka.Partition) []kafka.Partition {
	all, known := slices.Clone(found), map[fetch.TopicPartition]bool{}
	for _, p := range found {
		known[fetch.TopicPartition{Topic: p.Topic, Partition: int32(p.ID)}] = true
	}
	for _, topic := range b.topics {
		for id := range b.partitions {
			if !known[fetch.TopicPartition{Topic: topic, Partition: int32(id)}] {
				all = append(all, kafka.Partition{Topic: topic, ID: id})
			}
		}
	}
	return all
}

// owners gives every lane to a member; loads differ by one at most.
func (b *laneBalancer) owners(members []kafka.GroupMember) map[int]string {
	owner := make(map[int]string, b.lanes)
	load := map[string]int{}
	share, extra := b.lanes/len(members), b.lanes%len(members)
	for _, m := range members {
		var had []int
		if json.Unmarshal(m.UserData, &had) != nil {
			continue // a member that says nothing keeps nothing
		}
		for _, l := range had {
			if _, taken := owner[l]; taken || l < 0 || l >= b.lanes {
				continue
			}
			if load[m.ID] < share || load[m.ID] == share && extra > 0 {
				if load[m.ID] == share {
					extra--
				}
				owner[l] = m.ID
				load[m.ID]++
			}
		}
	}
	for l := range b.lanes {
		if _, taken := owner[l]; taken {
			continue
		}
		least := slices.MinFunc(members, func(x, y kafka.GroupMember) int {
			return cmp.Or(cmp.Compare(load[x.ID], load[y.ID]), cmp.Compare(x.ID, y.ID))
		})
		owner[l] = least.ID
		load[least.ID]++
	}
	return owner
}
