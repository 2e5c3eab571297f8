// Every bound of the lookups, with its unit.
#pragma once

#include "core/base/time.h"

#include <cstddef>
#include <cstdint>

namespace godwit::acl {

// Text files (lsearch and its kin, json): read on the loop up to the first, refused over the
// second.
inline constexpr size_t kSmallFileBytes = 64 * 1024;
inline constexpr size_t kTextFileBytesMax = size_t{1} << 30;
inline constexpr int kJsonDepthMax = 256;
// A file that changed this shortly before it was read may change again without a new time stamp.
inline constexpr Millis kSettledAge{100};

// What one lookup may give: a value of a database, all rows of a query.
inline constexpr size_t kAnswerBytesMax = size_t{16} << 20;
inline constexpr size_t kKeyBytesMax = 64 * 1024;
// Answers that one message keeps.
inline constexpr size_t kCachedAnswersMax = 1000;
inline constexpr size_t kNestedLookupsMax = 4;  // keys of nwildlsearch that are lookups

// LMDB: pages kept of a file (branches and meta), retries while a writer works, depth of a tree.
inline constexpr size_t kLmdbCachedPagesMax = 2048;
inline constexpr int kLmdbRetriesMax = 8;
inline constexpr int kLmdbDepthMax = 32;

// The thread pool is shared with the spool: only so many lookups may hold a thread of it.
inline constexpr int kPoolJobsMax = 2;
inline constexpr size_t kPoolWaitersMax = 10'000;

inline constexpr size_t kSqliteIdleMax = 4;         // open databases that wait for a query
inline constexpr Millis kSqliteQueryTime{30'000};   // of one query, locks included
inline constexpr Millis kConnectTime{5'000};        // to a server of Redis or SQL, log-in included
inline constexpr Millis kRedisAnswerTime{5'000};    // of one command
inline constexpr Millis kSqlAnswerTime{60'000};     // of one query
inline constexpr Millis kServerRetryDelay{1'000};   // a server that failed is left alone so long
inline constexpr size_t kRedisArgumentsMax = 32;    // of one command, as in Exim
inline constexpr size_t kRedisPendingMax = 10'000;  // commands in flight to one server
inline constexpr int kRedisNestingMax = 2;          // arrays in an array, as in Exim
inline constexpr size_t kSqlConnectionsMax = 8;     // to one server
inline constexpr size_t kSqlWaitersMax = 10'000;    // queries that wait for a connection
inline constexpr size_t kServersMax = 64;           // of one list
inline constexpr size_t kDnsdbNamesMax = 256;       // names in one query

}  // namespace godwit::acl
