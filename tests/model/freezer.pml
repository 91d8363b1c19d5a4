/*
 * The freezer (kernel/proc/freezer.c) against sleep, wake-up, fork, exit, kill, and a second freezer.
 *
 * Process 1 is the root of a family; it and its children run, sleep, fork, exit and wait, for a bounded number of
 * steps, and then run in user mode for ever. Process 5, a stranger, and process 4, a child of 1, freeze each other, the
 * family, or a part of it. Somebody is killed at any time. What the kernel does under family_lock is one atomic step
 * here; what it does without is a step for each access: the order of "mark, then interrupt" against "clear, then look"
 * is what counts.
 *
 * Checked:
 *  - when a freeze succeeds and as long as it lasts, every member is parked, ended, or the freezer itself, and the
 *    family is the same at the end as at the beginning; who was killed before it succeeded has ended (assertions);
 *  - every freezer comes to its end, and everyone runs again or has ended (no invalid end state: a process that is
 *    parked, asleep in the freezer, or lost, is no valid end).
 *
 * With -DTWO_FREEZERS there are two freezers and fewer children; both ways are tried whole.
 *
 * Each of these makes it a wrong model, and spin must find that out (mk/model.mk tries them all):
 *   -DMUTANT_INTERRUPT_FIRST   the interrupt comes before the mark
 *   -DMUTANT_NO_INHERITANCE    a child isn't born marked, and the freezer doesn't look again
 *   -DMUTANT_ONE_LOOK          the freezer doesn't look again when all that it marked have settled
 *   -DMUTANT_NO_GIVING_WAY     who is marked marks others all the same, and waits whatever comes
 *   -DMUTANT_KILL_WAKES        a kill ends the sleep of the frozen
 *   -DMUTANT_KILL_WAITS        a kill never ends it
 *   -DMUTANT_LOST_BURIAL       a marked process that ends isn't taken off the freezer's account
 */
#define N 6  /* 0: init, which is nobody's member; 1 to 3: workers; 4 and 5: freezers */

#ifdef TWO_FREEZERS /* many who freeze, few who fork */
#define BUDGET       1
#define CHILD_BUDGET 0
#define CHILDREN     1
#else
#define BUDGET       2 /* what a worker does before it only runs */
#define CHILD_BUDGET 1
#define CHILDREN     2
#endif

#define ABSENT 0
#define ALIVE  1
#define ZOMBIE 2

byte state[N], parent[N];
byte mark[N];      /* the freezer that wants it to park; 0: none */
bool interrupted[N], asleep[N], parked[N], killed[N], ending[N];

/* Of freezers. */
byte pending[N];   /* marked by it, and not settled */
bool tree[N];      /* with descendants */
bool waits[N];     /* asleep until all are settled, or until somebody else's freeze has ended */
bool for_other[N];
bool complete[N];  /* its family stands still */

/* Used inside d_steps only. */
hidden byte i, f, family;
hidden byte found, contended, to_interrupt[N];

/* ---- under family_lock */

inline settle_one(by)
{
    pending[by]--;
    if
    :: pending[by] == 0 && !for_other[by] -> waits[by] = false
    :: else
    fi
}

inline unmark(p)
{
    f = mark[p];
    mark[p] = 0;
    if
    :: parked[p] -> parked[p] = false
    :: else -> settle_one(f)
    fi;
    if
    :: for_other[4] -> waits[4] = false
    :: else
    fi;
    if
    :: for_other[5] -> waits[5] = false
    :: else
    fi;
    f = 0
}

inline unmark_all(me)
{
    i = 1;
    do
    :: i < N ->
        if
        :: mark[i] == me -> unmark(i)
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

#define is_child(p, of) (state[p] != ABSENT && parent[p] == of)
/* No line of descent is longer than three. */
#define is_member(p, root)                                                                                             \
    (state[p] != ABSENT &&                                                                                             \
     (p == root || (tree[me] && (is_child(p, root) || (parent[p] != 0 && (is_child(parent[p], root) ||                 \
                                                                         is_child(parent[parent[p]], root)))))))

/* ---- the side of the processes */

inline boundary(me)
{
    do
    :: interrupted[me] ->
        interrupted[me] = false;
        if
        :: killed[me] && me <= 3 -> goto leave
        :: else
        fi;
        d_step {
            if
#ifdef MUTANT_KILL_WAITS
            :: mark[me] != 0 ->
#else
            :: mark[me] != 0 && !(killed[me] && me <= 3) ->
#endif
                parked[me] = true;
                settle_one(mark[me])
            :: else
            fi
        };
        !parked[me]
    :: else -> break
    od
}

inline fork_one(me)
{
    atomic {
        child = (state[2] == ABSENT && !used[2] -> 2 : (CHILDREN > 1 && state[3] == ABSENT && !used[3] -> 3 : 0));
        if
        :: child != 0 ->
            used[child] = true;
            state[child] = ALIVE;
            parent[child] = me;
#ifndef MUTANT_NO_INHERITANCE
            if
            :: mark[me] != 0 && tree[mark[me]] ->
                mark[child] = mark[me];
                pending[mark[me]]++;
                interrupted[child] = true
            :: else
            fi;
#endif
            run worker(child, CHILD_BUDGET);
            child = 0
        :: else
        fi
    }
}

inline reap_one(me)
{
    d_step {
        i = 1;
        do
        :: i < N ->
            if
            :: state[i] == ZOMBIE && parent[i] == me -> state[i] = ABSENT; parent[i] = 0; break
            :: else -> i++
            fi
        :: else -> break
        od;
        i = 0
    }
}

bool used[N];

proctype worker(byte me; byte budget)
{
    byte child = 0;

    boundary(me);
end_user_mode:
    do
    :: budget > 0 ->
        budget--;
        if
        :: d_step { !interrupted[me] -> asleep[me] = true };
            if
            :: !asleep[me]
            :: asleep[me] = false /* what it waited for has come */
            fi
        :: interrupted[me] /* the call is cut off at once */
        :: fork_one(me)
        :: reap_one(me)
        :: goto leave
        fi;
        boundary(me)
    :: interrupted[me] -> boundary(me)
    od;
leave:
    ending[me] = true;
    d_step { /* children go to init, which reaps at once */
        i = 1;
        do
        :: i < N ->
            if
            :: state[i] != ABSENT && parent[i] == me ->
                parent[i] = 0;
                if
                :: state[i] == ZOMBIE -> state[i] = ABSENT
                :: else
                fi
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    };
    d_step { /* buried */
        state[me] = (parent[me] == 0 -> ABSENT : ZOMBIE);
#ifndef MUTANT_LOST_BURIAL
        if
        :: mark[me] != 0 -> unmark(me)
        :: else
        fi
#endif
    }
}

proctype killer()
{
    byte victim;

    select(victim : 1 .. 3);
    d_step {
        if
        :: state[victim] == ALIVE ->
            killed[victim] = true;
            interrupted[victim] = true;
            asleep[victim] = false;
#if defined(MUTANT_KILL_WAKES)
            parked[victim] = false
#elif !defined(MUTANT_KILL_WAITS)
            if
            :: parked[victim] && !complete[mark[victim]] -> parked[victim] = false; pending[mark[victim]]++
            :: else
            fi
#endif
        :: else
        fi
    }
}

/* ---- the freezers */

/* The mark is set, but who is to be interrupted? A bit each, so that a mutant can do it in the wrong order. */
inline interrupt_members()
{
    i = 1;
    do
    :: i < N ->
        if
        :: to_interrupt[i] ->
            to_interrupt[i] = false;
            interrupted[i] = true;
            asleep[i] = false
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

inline look(me, root)
{
    outcome = 0;
    found = false;
    contended = false;
    i = 1;
    do
    :: i < N ->
        if
        :: is_member(i, root) && mark[i] != 0 && mark[i] != me -> contended = true
        :: else
        fi;
        i++
    :: else -> break
    od;
    if
#ifndef MUTANT_NO_GIVING_WAY
    :: mark[me] != 0 -> outcome = GIVES_WAY
    :: mark[me] == 0 && (state[root] != ALIVE || ending[root]) -> outcome = NOBODY
    :: mark[me] == 0 && state[root] == ALIVE && !ending[root] ->
#else
    :: state[root] != ALIVE || ending[root] -> outcome = NOBODY
    :: state[root] == ALIVE && !ending[root] ->
#endif
        if
        :: contended -> outcome = CONTENDED
        :: else ->
            i = 1;
            do
            :: i < N ->
                if
                :: mark[i] == me && !is_member(i, root) -> unmark(i)
                :: mark[i] == 0 && is_member(i, root) && state[i] == ALIVE && i != me ->
                    found = true;
                    mark[i] = me;
                    pending[me] = pending[me] + (parked[i] -> 0 : 1);
                    to_interrupt[i] = true
                :: else
                fi;
                i++
            :: else -> break
            od;
            if
            :: !found && pending[me] == 0 ->
                outcome = FROZEN;
                complete[me] = true;
                i = 1;
                do
                :: i < N ->
                    assert(!(is_member(i, root) && i != me && state[i] == ALIVE && killed[i]));
                    i++
                :: else -> break
                od
            :: else -> outcome = AGAIN
            fi
        fi
    fi;
    i = 0
}

/* What there is of the family, and that it stands still. */
inline inspect(me, root)
{
    family = 0;
    i = 1;
    do
    :: i < N ->
        if
        :: is_member(i, root) ->
            family = family | (1 << i);
            assert(i == me || state[i] == ZOMBIE || parked[i])
        :: else ->
            assert(mark[i] != me)
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

/* In one go with the look: the lock goes when it sleeps. */
inline go_to_sleep(me)
{
    if
    :: outcome == CONTENDED ->
        unmark_all(me);
        for_other[me] = true;
        waits[me] = true
    :: outcome == AGAIN -> waits[me] = pending[me] != 0
    :: else
    fi
}

/* Until it's woken or interrupted; it may lose patience. */
inline sleep_on(me)
{
    if
    :: !waits[me]
#ifndef MUTANT_NO_GIVING_WAY
    :: interrupted[me]
#endif
    :: impatient -> outcome = TIMED_OUT
    fi;
    d_step {
        if
        :: outcome == CONTENDED && waits[me] -> outcome = GIVES_WAY
        :: outcome == AGAIN && pending[me] != 0 -> outcome = GIVES_WAY
        :: outcome == TIMED_OUT && pending[me] == 0 && !for_other[me] -> outcome = AGAIN
        :: else
        fi;
#if defined(MUTANT_NO_INHERITANCE) || defined(MUTANT_ONE_LOOK)
        if
        :: outcome == AGAIN -> outcome = FROZEN
        :: else
        fi;
#endif
        waits[me] = false;
        for_other[me] = false
    }
}

mtype = { NOTHING, GIVES_WAY, NOBODY, CONTENDED, FROZEN, AGAIN, TIMED_OUT }

proctype freezer(byte me)
{
    mtype outcome;
    bool impatient;
    byte root, before;

    if
    :: root = 1; tree[me] = true
    :: root = 2; tree[me] = true
#ifdef TWO_FREEZERS
    :: root = 9 - me; tree[me] = false
#endif
    :: root = 1; tree[me] = false
    fi;
    if
    :: me == 5 -> impatient = true
    :: impatient = false
    fi;
call:
    do
    :: true ->
#ifdef MUTANT_INTERRUPT_FIRST
        d_step {
            i = 1;
            do
            :: i < N ->
                to_interrupt[i] = is_member(i, root) && state[i] == ALIVE && i != me;
                i++
            :: else -> break
            od;
            i = 0;
            interrupt_members()
        };
        d_step {
            look(me, root);
            i = 1;
            do
            :: i < N -> to_interrupt[i] = false; i++
            :: else -> break
            od;
            go_to_sleep(me)
        };
#else
        d_step {
            look(me, root);
            interrupt_members();
            go_to_sleep(me)
        };
#endif
        if
        :: outcome == AGAIN || outcome == CONTENDED -> sleep_on(me)
        :: else
        fi;
        if
        :: outcome != AGAIN && outcome != CONTENDED -> break
        :: else
        fi
    od;
    if
    :: outcome == FROZEN ->
        d_step {
            inspect(me, root);
            before = family
        };
        skip; /* the state is taken */
        d_step {
            inspect(me, root);
            assert(family == before);
            complete[me] = false;
            unmark_all(me);
            before = 0
        }
    :: else -> d_step { unmark_all(me) }
    fi;
    boundary(me);
    if
    :: outcome == GIVES_WAY -> goto call /* it runs again */
    :: else
    fi;
    d_step {
        outcome = NOTHING;
        root = 0;
        impatient = false
    };
leave: /* of the boundary: workers only */
end_user_mode:
    do
    :: interrupted[me] -> boundary(me)
    od
}

init
{
    atomic {
        state[1] = ALIVE;
        state[5] = ALIVE;
        run worker(1, BUDGET);
        run freezer(5);
#ifdef TWO_FREEZERS
        state[4] = ALIVE;
        parent[4] = 1;
        run freezer(4);
#endif
        run killer()
    }
}
