/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of blocks. One lock is taken twice a block and thread, which is nothing beside the hashes
 * of 256 entries.
 */
#include "verify/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

enum { JOBS_MAX = 64, BLOCKS_PER_JOB = 3, BLOCKS_MORE = 2 };

enum state { FILLED, LOOKED_AT, DONE };

struct crew {
	const struct verify_trust *trust;
	bool by_hash_alone, is_over;
	unsigned n_threads, n_desks;
	pthread_t thread[JOBS_MAX];
	struct trust_desk desk[JOBS_MAX]; /* the caller's is the first */
	pthread_mutex_t lock;
	pthread_cond_t filled, done;
	/* Positions never wrap: block p is in slot p % n_blocks. taken <= claimed <= put. */
	uint64_t put, claimed, taken;
	unsigned n_blocks;
	struct block **block;
	enum state *state;
};

struct worker {
	struct crew *crew;
	unsigned number;
};

static struct block *at(const struct crew *crew, uint64_t position)
{
	return crew->block[position % crew->n_blocks];
}

/* Looks at the oldest block that nobody has yet. Called and left with the lock held. */
static void look_at_one(struct crew *crew, const struct trust_desk *desk)
{
	uint64_t mine = crew->claimed++;

	crew->state[mine % crew->n_blocks] = LOOKED_AT;
	(void)pthread_mutex_unlock(&crew->lock);
	look_block(at(crew, mine), crew->trust, desk, crew->by_hash_alone);
	(void)pthread_mutex_lock(&crew->lock);
	crew->state[mine % crew->n_blocks] = DONE;
	(void)pthread_cond_signal(&crew->done);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct crew *crew = worker->crew;
	const struct trust_desk *desk = &crew->desk[worker->number];

	free(worker);
	(void)pthread_mutex_lock(&crew->lock);
	while (!crew->is_over) {
		if (crew->claimed < crew->put)
			look_at_one(crew, desk);
		else
			(void)pthread_cond_wait(&crew->filled, &crew->lock);
	}
	(void)pthread_mutex_unlock(&crew->lock);
	return NULL;
}

static bool make_blocks(struct crew *crew, unsigned n)
{
	crew->block = calloc(n, sizeof(struct block *));
	crew->state = calloc(n, sizeof(*crew->state));
	if (crew->block == NULL || crew->state == NULL)
		return false;
	for (crew->n_blocks = 0; crew->n_blocks < n; crew->n_blocks++) {
		struct block *b = malloc(sizeof(*b));

		if (b == NULL)
			return false;
		crew->block[crew->n_blocks] = b;
		b->bytes = malloc(BLOCK_BYTES);
		if (b->bytes == NULL) {
			crew->n_blocks++;
			return false;
		}
	}
	return true;
}

/* Signals are the caller's affair. */
static int start_thread(struct crew *crew, unsigned number, struct cht_err *err)
{
	struct worker *worker = malloc(sizeof(*worker));
	sigset_t all, before;
	int sys;

	if (worker == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a thread");
	*worker = (struct worker){ crew, number };
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	sys = pthread_create(&crew->thread[crew->n_threads], NULL, work, worker);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (sys != 0) {
		free(worker);
		return cht_fail(err, CHT_E_IO, sys, "no thread; ask for fewer with --jobs");
	}
	crew->n_threads++;
	return 0;
}

static int start(struct crew *crew, unsigned jobs, struct cht_err *err)
{
	int r = 0;

	if (!make_blocks(crew, jobs == 1 ? 1 : jobs * BLOCKS_PER_JOB + BLOCKS_MORE))
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to verify");
	for (; r == 0 && crew->n_desks < jobs; crew->n_desks += r == 0)
		r = trust_desk_init(&crew->desk[crew->n_desks], crew->trust, err);
	for (unsigned i = 1; r == 0 && i < jobs; i++)
		r = start_thread(crew, i, err);
	return r;
}

int crew_open(struct crew **out, unsigned jobs, const struct verify_trust *trust,
	      bool by_hash_alone, struct cht_err *err)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	if (crew == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to verify");
	if (jobs == 0)
		jobs = online > 0 ? (unsigned)online : 1;
	if (jobs > JOBS_MAX)
		jobs = JOBS_MAX;
	crew->trust = trust;
	crew->by_hash_alone = by_hash_alone;
	(void)pthread_mutex_init(&crew->lock, NULL);
	(void)pthread_cond_init(&crew->filled, NULL);
	(void)pthread_cond_init(&crew->done, NULL);
	r = start(crew, jobs, err);
	if (r < 0)
		crew_close(crew);
	else
		*out = crew;
	return r;
}

void crew_close(struct crew *crew)
{
	if (crew == NULL)
		return;
	(void)pthread_mutex_lock(&crew->lock);
	crew->is_over = true;
	(void)pthread_cond_broadcast(&crew->filled);
	(void)pthread_mutex_unlock(&crew->lock);
	for (unsigned i = 0; i < crew->n_threads; i++)
		(void)pthread_join(crew->thread[i], NULL);
	for (unsigned i = 0; i < crew->n_desks; i++)
		trust_desk_fini(&crew->desk[i]);
	for (unsigned i = 0; i < crew->n_blocks; i++) {
		free(crew->block[i]->bytes);
		free(crew->block[i]);
	}
	free(crew->block);
	free(crew->state);
	(void)pthread_cond_destroy(&crew->done);
	(void)pthread_cond_destroy(&crew->filled);
	(void)pthread_mutex_destroy(&crew->lock);
	free(crew);
}

/* put and taken are moved by the caller's thread alone. */
struct block *crew_vacant(struct crew *crew)
{
	return crew->put - crew->taken < crew->n_blocks ? at(crew, crew->put) : NULL;
}

void crew_submit(struct crew *crew)
{
	(void)pthread_mutex_lock(&crew->lock);
	crew->state[crew->put % crew->n_blocks] = FILLED;
	crew->put++;
	if (crew->n_threads > 0)
		(void)pthread_cond_signal(&crew->filled);
	(void)pthread_mutex_unlock(&crew->lock);
}

struct block *crew_take(struct crew *crew)
{
	struct block *block = NULL;

	if (crew->taken == crew->put)
		return NULL;
	(void)pthread_mutex_lock(&crew->lock);
	while (crew->state[crew->taken % crew->n_blocks] != DONE) {
		if (crew->claimed < crew->put)
			look_at_one(crew, &crew->desk[0]);
		else
			(void)pthread_cond_wait(&crew->done, &crew->lock);
	}
	(void)pthread_mutex_unlock(&crew->lock);
	block = at(crew, crew->taken);
	return block;
}

void crew_release(struct crew *crew)
{
	crew->taken++;
}
