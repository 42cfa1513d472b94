/* SPDX-License-Identifier: Apache-2.0
 *
 * The SHA extensions of x86: sha256rnds2 has a latency of four cycles and can begin every two, so
 * that two messages side by side take hardly longer than one. What is hashed here is no secret, and
 * every result is held against OpenSSL's by a test.
 */
#include "tlog/lanes.h"

#include <cpuid.h>
#include <immintrin.h>

#define SHA_CODE __attribute__((target("sha,sse4.1,ssse3")))

enum {
	QUADS = 16,
	CPUID_7_EBX_SHA = 1 << 29,
	CPUID_1_ECX_SSSE3 = 1 << 9,
	CPUID_1_ECX_SSE41 = 1 << 19
};

/* FIPS 180-4 section 4.2.2. */
static const _Alignas(16) uint32_t constants[4 * QUADS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2
};

/* The state as the instructions want it, and four quads of the message schedule. */
struct lane {
	__m128i abef, cdgh, w[4];
};

static bool ask_cpu(void)
{
	unsigned a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & CPUID_1_ECX_SSSE3) == 0 ||
	    (c & CPUID_1_ECX_SSE41) == 0)
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & CPUID_7_EBX_SHA) != 0;
}

bool lanes_are_there(void)
{
	static int known; /* 0: not asked yet; the answer is always the same */
	int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (answer == 0) {
		answer = ask_cpu() ? 1 : -1;
		__atomic_store_n(&known, answer, __ATOMIC_RELAXED);
	}
	return answer > 0;
}

SHA_CODE static inline __m128i load(const void *at)
{
	return _mm_loadu_si128((const __m128i *)at);
}

SHA_CODE static inline void begin(struct lane *lane, const uint32_t state[8], const uint8_t *block)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i dcba = load(state), hgfe = load(state + 4);
	__m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);

	lane->abef = _mm_alignr_epi8(cdab, efgh, 8);
	lane->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
	for (size_t i = 0; i < 4; i++)
		lane->w[i] = _mm_shuffle_epi8(load(block + 16 * i), swap);
}

/* Rounds 4q to 4q + 3; and, while they are needed, the words of four quads later. */
SHA_CODE static inline void quad(struct lane *lane, int q)
{
	__m128i *w = lane->w, now = w[q & 3];
	__m128i m = _mm_add_epi32(now, load(constants + (size_t)4 * (size_t)q));

	lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, m);
	lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(m, 0x0e));
	if (q < QUADS - 4) {
		__m128i last = w[(q + 3) & 3];
		__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, w[(q + 1) & 3]),
					    _mm_alignr_epi8(last, w[(q + 2) & 3], 4));

		w[q & 3] = _mm_sha256msg2_epu32(sum, last);
	}
}

SHA_CODE static inline void end(struct lane *lane, uint32_t state[8])
{
	__m128i feba = _mm_shuffle_epi32(lane->abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(lane->cdgh, 0xb1);
	__m128i dcba = _mm_blend_epi16(feba, dchg, 0xf0);
	__m128i hgfe = _mm_alignr_epi8(dchg, feba, 8);

	_mm_storeu_si128((__m128i *)(void *)state, _mm_add_epi32(load(state), dcba));
	_mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_add_epi32(load(state + 4), hgfe));
}

SHA_CODE void lanes_compress(uint32_t a[8], const uint8_t *block_a, uint32_t b[8],
			     const uint8_t *block_b)
{
	struct lane la, lb;

	begin(&la, a, block_a);
	begin(&lb, b, block_b);
#pragma GCC unroll 16
	for (int q = 0; q < QUADS; q++) {
		quad(&la, q);
		quad(&lb, q);
	}
	end(&la, a);
	end(&lb, b);
}
