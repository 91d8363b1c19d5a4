// Clang's thread-safety annotations behind short names (-Wthread-safety checks them).
#pragma once

#define CAPABILITY(name)     __attribute__((capability(name)))
#define GUARDED_BY(lock)     __attribute__((guarded_by(lock)))
#define REQUIRES(...)        __attribute__((requires_capability(__VA_ARGS__)))
#define EXCLUDES(...)        __attribute__((locks_excluded(__VA_ARGS__)))
#define ACQUIRE(...)         __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASE(...)         __attribute__((release_capability(__VA_ARGS__)))
#define TRY_ACQUIRE(...)     __attribute__((try_acquire_capability(__VA_ARGS__)))
#define ASSERT_HELD(...)     __attribute__((assert_capability(__VA_ARGS__)))
#define RETURN_CAPABILITY(l) __attribute__((lock_returned(l)))
#define NO_LOCK_ANALYSIS     __attribute__((no_thread_safety_analysis))

// For a member of a struct, guarded by a lock in the same struct: for the reader only. In C, clang 14 can't name a
// sibling in an attribute; functions that need the lock say so with REQUIRES(object->lock), which it does check.
#define FIELD_GUARDED_BY(lock)
