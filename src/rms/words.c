/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The words that two people compare to know that they hold the same card.
 * Part of the format: index = byte; never reordered.
 */
#include "rms/rms_internal.h"

const char *const rms_words[256] = { "acorn", "actor", "album", "alley",
	"amber", "angle", "ankle", "anvil", "apple", "apron", "arena", "arrow",
	"atlas", "attic", "aunt", "autumn", "badge", "bagel", "baker", "bamboo",
	"banjo", "barn", "basket", "beach", "beard", "beaver", "bell", "bench",
	"berry", "bike", "birch", "bird", "blanket", "blossom", "boat", "bone",
	"bonnet", "book", "bottle", "bowl", "branch", "bread", "brick",
	"bridge", "broom", "brush", "bubble", "bucket", "butter", "button",
	"cabin", "cactus", "camel", "candle", "canoe", "canvas", "carpet",
	"carrot", "castle", "cedar", "cello", "chair", "chalk", "cherry",
	"chess", "circle", "clay", "cliff", "clock", "cloud", "clover", "coast",
	"cobalt", "coffee", "comet", "copper", "coral", "cotton", "cousin",
	"cradle", "crane", "crayon", "cricket", "crown", "cup", "curtain",
	"dagger", "daisy", "dancer", "desert", "diamond", "dinner", "dolphin",
	"donkey", "door", "dragon", "drum", "duck", "eagle", "earth", "easel",
	"echo", "elbow", "elm", "ember", "engine", "falcon", "farmer",
	"feather", "fence", "fern", "fiddle", "finger", "flag", "flame",
	"flute", "forest", "fossil", "fountain", "fox", "frost", "garden",
	"garlic", "gate", "ginger", "giraffe", "glacier", "glove", "goat",
	"gold", "grape", "gravel", "guitar", "hammer", "harbor", "harp",
	"hazel", "hedge", "helmet", "heron", "hill", "honey", "hood", "horse",
	"igloo", "indigo", "iron", "island", "ivory", "jacket", "jaguar",
	"jasmine", "jelly", "jewel", "jungle", "kayak", "kettle", "kitchen",
	"kite", "kitten", "ladder", "lagoon", "lake", "lamp", "lantern",
	"laurel", "lemon", "lettuce", "library", "lilac", "lion", "lizard",
	"lobster", "lotus", "magnet", "mango", "maple", "marble", "market",
	"meadow", "melon", "mirror", "mitten", "monkey", "moon", "moss",
	"mountain", "mulberry", "museum", "napkin", "nectar", "needle",
	"nephew", "nest", "nickel", "noodle", "north", "nutmeg", "oak", "oasis",
	"ocean", "olive", "onion", "opal", "orange", "orchard", "otter", "owl",
	"paddle", "palace", "panda", "paper", "parrot", "peach", "pearl",
	"pebble", "pencil", "pepper", "piano", "picnic", "pillow", "pine",
	"planet", "plum", "pocket", "pond", "poplar", "potato", "prairie",
	"pumpkin", "puzzle", "quartz", "quilt", "rabbit", "radio", "raft",
	"rain", "raven", "ribbon", "river", "robin", "rocket", "rope", "saddle",
	"sailor", "salmon", "sandal", "scarf", "shell", "silver", "spider",
	"spoon", "squash", "star", "stone", "sunset" };
