// SPDX-License-Identifier: GPL-3.0-or-later

// Makes what a private chain of one node begins with: FOLDER/chain.json, the
// node's configuration with a genesis block that gives everything to the
// account of SEED, and FOLDER/wallet, from which the node mines for it.
//
//	chain FOLDER SEED PASSWORD BLOCK_MS
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/wavesplatform/gowaves/pkg/crypto"
	"github.com/wavesplatform/gowaves/pkg/proto"
	"github.com/wavesplatform/gowaves/pkg/settings"
	"github.com/wavesplatform/gowaves/pkg/util/genesis_generator"
	"github.com/wavesplatform/gowaves/pkg/wallet"
)

const (
	scheme = 'R'
	supply = 100_000_000 * 100_000_000
	// So easy that the smallest block time alone decides.
	baseTarget = 1_000_000
	// Those that were on when block version 5 had settled.  Not yet 22, light
	// nodes: this node refuses its own blocks with fees on so young a chain.
	features = 18
)

func accountSeed(phrase string) (crypto.Digest, error) {
	nonce := binary.BigEndian.AppendUint32(nil, 0)
	return crypto.SecureHash(append(nonce, phrase...))
}

func chain(seed crypto.Digest, blockMs float64) (*settings.BlockchainSettings, error) {
	_, key, err := crypto.GenerateKeyPair(seed[:])
	if err != nil {
		return nil, err
	}
	rich, err := proto.NewAddressFromPublicKey(scheme, key)
	if err != nil {
		return nil, err
	}
	now := uint64(time.Now().UnixMilli())
	genesis, err := genesis_generator.GenerateGenesisBlock(scheme,
		[]genesis_generator.GenesisTransactionInfo{{
			Address: rich, Amount: supply, Timestamp: now}}, baseTarget, now)
	if err != nil {
		return nil, err
	}
	s := settings.MustDefaultCustomSettings()
	s.Genesis = *genesis
	s.AddressSchemeCharacter = scheme
	s.AverageBlockDelaySeconds = uint64(blockMs / 1000)
	s.MinBlockTime = blockMs
	s.DelayDelta = 0
	s.SponsorshipSingleActivationPeriod = true
	s.FeaturesVotingPeriod = 1
	s.VotesForFeatureActivation = 1
	s.MinUpdateAssetInfoInterval = 2
	s.InitialBlockReward = 600_000_000
	s.BlockRewardIncrement = 100_000_000
	s.BlockRewardVotingPeriod = 3
	s.BlockRewardTerm = 100_000
	s.BlockRewardTermAfter20 = 50_000
	for f := int16(1); f <= features; f++ {
		s.PreactivatedFeatures = append(s.PreactivatedFeatures, f)
	}
	return s, nil
}

func run(dir, phrase, password, blockMs string) error {
	ms, err := strconv.ParseFloat(blockMs, 64)
	if err != nil {
		return err
	}
	seed, err := accountSeed(phrase)
	if err != nil {
		return err
	}
	s, err := chain(seed, ms)
	if err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	w := wallet.NewWallet()
	if err = w.AddAccountSeed(seed[:]); err != nil {
		return err
	}
	sealed, err := w.Encode([]byte(password))
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(dir, "wallet"), sealed, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "chain.json"), text, 0o600)
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: chain FOLDER SEED PASSWORD BLOCK_MS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "chain:", err)
		os.Exit(1)
	}
}
