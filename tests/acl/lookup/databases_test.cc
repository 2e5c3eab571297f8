// LMDB files written by liblmdb and read by our reader; constant databases; SQLite.
#include "tests/acl/lookup/support.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

namespace godwit::acl {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Writes with the library, in one transaction.
class LmdbWriter {
 public:
  explicit LmdbWriter(const std::string& path) {
    mdb_env_create(&env_);
    mdb_env_set_mapsize(env_, size_t{256} << 20);
    EXPECT_EQ(mdb_env_open(env_, path.c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0600), 0);
  }
  ~LmdbWriter() { mdb_env_close(env_); }
  LmdbWriter(const LmdbWriter&) = delete;
  LmdbWriter& operator=(const LmdbWriter&) = delete;

  void write(const Pairs& pairs, unsigned database_flags = 0, bool remove = false) {
    MDB_txn* transaction = nullptr;
    MDB_dbi database = 0;
    ASSERT_EQ(mdb_txn_begin(env_, nullptr, 0, &transaction), 0);
    ASSERT_EQ(mdb_dbi_open(transaction, nullptr, database_flags, &database), 0);
    for (const auto& [key, value] : pairs) {
      MDB_val k{key.size(), const_cast<char*>(key.data())};
      MDB_val v{value.size(), const_cast<char*>(value.data())};
      const int status = remove ? mdb_del(transaction, database, &k, nullptr)
                                : mdb_put(transaction, database, &k, &v, 0);
      ASSERT_EQ(status, 0) << key;
    }
    ASSERT_EQ(mdb_txn_commit(transaction), 0);
  }

  // `count` keys in their order, which fills every page.
  void append(size_t count, std::string (*key_of)(size_t), std::string (*value_of)(size_t)) {
    MDB_txn* transaction = nullptr;
    MDB_dbi database = 0;
    ASSERT_EQ(mdb_txn_begin(env_, nullptr, 0, &transaction), 0);
    ASSERT_EQ(mdb_dbi_open(transaction, nullptr, 0, &database), 0);
    for (size_t i = 0; i < count; ++i) {
      std::string key = key_of(i);
      std::string value = value_of(i);
      MDB_val k{key.size(), key.data()};
      MDB_val v{value.size(), value.data()};
      ASSERT_EQ(mdb_put(transaction, database, &k, &v, MDB_APPEND), 0) << key;
    }
    ASSERT_EQ(mdb_txn_commit(transaction), 0);
  }

 private:
  MDB_env* env_ = nullptr;
};

std::string make_cdb(const Pairs& pairs) {
  const auto number = [](std::string& out, size_t value) {
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
  };
  std::string records;
  std::array<std::vector<std::pair<uint32_t, uint32_t>>, 256> tables;
  for (const auto& [key, value] : pairs) {
    uint32_t hash = 5381;
    for (const char c : key) hash = ((hash << 5) + hash) ^ static_cast<uint8_t>(c);
    tables[hash % 256].emplace_back(hash, static_cast<uint32_t>(2048 + records.size()));
    number(records, key.size());
    number(records, value.size());
    records += key + value;
  }
  std::string header;
  std::string slots_text;
  for (const auto& table : tables) {
    number(header, 2048 + records.size() + slots_text.size());
    number(header, table.size() * 2);
    std::vector<std::pair<uint32_t, uint32_t>> slots(table.size() * 2);
    for (const auto& entry : table) {
      size_t at = (entry.first >> 8) % slots.size();
      while (slots[at].second != 0) at = (at + 1) % slots.size();
      slots[at] = entry;
    }
    for (const auto& [hash, position] : slots) {
      number(slots_text, hash);
      number(slots_text, position);
    }
  }
  return header + records + slots_text;
}

class Databases : public LookupTest {};

TEST_F(Databases, LmdbAnswersTheThreeFormsOfTheManual) {
  const std::string file = directory_.path() + "/relaydomains.mdb";
  LmdbWriter(file).write({{"example.com", "yes"}, {"empty.test", ""}});
  EXPECT_EQ(ask("lmdb", file, "example.com"), "=yes");
  EXPECT_EQ(ask("lmdb", file, "empty.test"), "=");
  EXPECT_EQ(ask("lmdb", file, "Example.com"), "none");
  EXPECT_EQ(ask("lmdb", file, "absent"), "none");
  EXPECT_EQ(ask("lmdb*", file, "absent"), "none");
  EXPECT_EQ(ask("lmdb", file, std::string(100'000, 'x')), "none");
}

TEST_F(Databases, LmdbAgreesWithTheLibraryOnManyKeys) {
  const std::string file = directory_.path() + "/many.mdb";
  std::mt19937 random(1);
  std::map<std::string, std::string> expected;
  LmdbWriter writer(file);
  for (int round = 0; round < 4; ++round) {
    Pairs pairs;
    for (int i = 0; i < 3000; ++i) {
      std::string key = "k" + std::to_string(random() % 20'000) + std::string(random() % 60, 'p');
      // Most are short, some have pages of their own, one a lot of them.
      const size_t bytes = i % 100 == 0 ? random() % 20'000 : random() % 100;
      pairs.emplace_back(key, std::string(bytes, static_cast<char>('a' + round)));
      expected[key] = pairs.back().second;
    }
    writer.write(pairs);
    Pairs removed(expected.begin(), std::next(expected.begin(), 500));
    writer.write(removed, 0, true);
    expected.erase(expected.begin(), std::next(expected.begin(), 500));
    for (const auto& [key, value] : removed) EXPECT_EQ(ask("lmdb", file, key), "none");
    for (const auto& [key, value] : expected) ASSERT_EQ(ask("lmdb", file, key), "=" + value) << key;
  }
}

TEST_F(Databases, LmdbFindsAmongAMillionKeys) {
  constexpr size_t kKeys = 1'000'000;
  // Even numbers are there, odd ones between them are not.
  const auto key_of = [](size_t i) {
    const std::string digits = std::to_string(2 * i);
    return "user" + std::string(7 - digits.size(), '0') + digits + "@example.com";
  };
  const auto value_of = [](size_t i) { return "box " + std::to_string(i); };
  const std::string file = directory_.path() + "/million.mdb";
  LmdbWriter(file).append(kKeys, key_of, value_of);
  std::mt19937 random(1);
  for (int round = 0; round < 2'000; ++round) {
    const size_t i = round == 0 ? 0 : round == 1 ? kKeys - 1 : random() % kKeys;
    const std::string key = key_of(i);
    ASSERT_EQ(ask("lmdb", file, key), "=" + value_of(i)) << key;
    std::string between = key;
    ++between[10];
    ASSERT_EQ(ask("lmdb", file, between), "none") << between;
  }
  EXPECT_EQ(ask("lmdb", file, "a"), "none");
  EXPECT_EQ(ask("lmdb", file, "z"), "none");
}

TEST_F(Databases, LmdbGivesTheFirstOfSeveralValues) {
  for (const unsigned flags : {unsigned{MDB_DUPSORT}, unsigned{MDB_DUPSORT | MDB_DUPFIXED}}) {
    const std::string file = directory_.path() + "/dup" + std::to_string(flags);
    LmdbWriter writer(file);
    Pairs pairs{{"one", "aaaa"}, {"few", "cccc"}, {"few", "bbbb"}};
    for (int i = 3000; i > 0; --i) pairs.emplace_back("many", std::to_string(10'000 + i));
    pairs.back().second = "00001";
    if ((flags & MDB_DUPFIXED) != 0) pairs.resize(3);
    writer.write(pairs, flags);
    EXPECT_EQ(ask("lmdb", file, "one"), "=aaaa");
    EXPECT_EQ(ask("lmdb", file, "few"), "=bbbb");
    if (pairs.size() > 3) EXPECT_EQ(ask("lmdb", file, "many"), "=00001");
  }
}

TEST_F(Databases, LmdbKnowsReversedKeysAndRefusesNumbers) {
  const std::string file = directory_.path() + "/reverse";
  Pairs pairs;
  for (int i = 0; i < 1000; ++i)
    pairs.emplace_back(std::to_string(i * 7919 % 1000) + ".test", "v" + std::to_string(i));
  LmdbWriter(file).write(pairs, MDB_REVERSEKEY);
  for (const auto& [key, value] : pairs) ASSERT_EQ(ask("lmdb", file, key), "=" + value);
  const std::string numbers = directory_.path() + "/numbers";
  LmdbWriter(numbers).write({{"12345678", "x"}}, MDB_INTEGERKEY);
  EXPECT_EQ(ask("lmdb", numbers, "12345678"),
            "error: LMDB: lookup error: " + numbers + ": its keys are numbers");
}

TEST_F(Databases, LmdbSeesCommitsReplacementAndRemoval) {
  const std::string file = directory_.path() + "/a.mdb";
  {
    LmdbWriter writer(file);
    for (int i = 0; i < 20; ++i) {
      writer.write({{"k", std::to_string(i)}});
      EXPECT_EQ(ask("lmdb", file, "k"), "=" + std::to_string(i));
    }
  }
  const std::string other = directory_.path() + "/b.mdb";
  LmdbWriter(other).write({{"k", "other"}});
  std::filesystem::rename(other, file);
  EXPECT_EQ(ask("lmdb", file, "k"), "=other");
  // The same inode, written over.
  LmdbWriter(other).write({{"k", "third"}});
  std::filesystem::copy_file(other, file, std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(ask("lmdb", file, "k"), "=third");
  std::filesystem::remove(file);
  EXPECT_EQ(ask("lmdb", file, "k"),
            "error: LMDB: Unable to open environment with " + file + ": No such file or directory");
}

TEST_F(Databases, LmdbFilesThatAreCutOrNoneGiveErrors) {
  const std::string file = directory_.path() + "/cut.mdb";
  Pairs pairs;
  for (int i = 0; i < 5000; ++i)
    pairs.emplace_back("key" + std::to_string(i), std::string(50, 'v'));
  LmdbWriter(file).write(pairs);
  EXPECT_EQ(ask("lmdb", file, "key77"), "=" + std::string(50, 'v'));
  // Cut in place below an open reader, page after page.
  for (auto bytes = std::filesystem::file_size(file); bytes > 0; bytes = bytes * 2 / 3) {
    std::filesystem::resize_file(file, bytes);
    for (int i = 0; i < 5000; i += 500) {
      const std::string answer = ask("lmdb", file, "key" + std::to_string(i));
      EXPECT_TRUE(answer.starts_with('=') || answer.starts_with("error: LMDB: ")) << answer;
    }
  }
  for (const std::string& content :
       {std::string(), std::string("text"), std::string(10'000, 'x')}) {
    directory_.write("none.mdb", content);
    EXPECT_EQ(
        ask("lmdb", directory_.path() + "/none.mdb", "k"),
        "error: LMDB: lookup error: " + directory_.path() + "/none.mdb: not an LMDB database");
  }
  EXPECT_EQ(ask("lmdb", directory_.path(), "k"), "error: LMDB: Unable to open environment with " +
                                                     directory_.path() + ": Is a directory");
}

TEST_F(Databases, LmdbSurvivesFlippedBytes) {
  const std::string good = directory_.path() + "/good.mdb";
  Pairs pairs;
  for (int i = 0; i < 500; ++i) pairs.emplace_back("key" + std::to_string(i), std::string(30, 'v'));
  pairs.emplace_back("big", std::string(9000, 'b'));
  LmdbWriter(good).write(pairs);
  std::ifstream in(good, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(in)), {});
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string bad = content;
    for (int i = 0; i < 20; ++i) bad[random() % bad.size()] = static_cast<char>(random());
    const std::string file = directory_.write("bad.mdb", bad);
    ask("lmdb", file, "key250");
    ask("lmdb", file, "big");
  }
}

TEST_F(Databases, LmdbReadsWhatIsNotInMemoryOnThePool) {
  const std::string file = directory_.path() + "/cold.mdb";
  Pairs pairs;
  for (int i = 0; i < 20'000; ++i)
    pairs.emplace_back("key" + std::to_string(i), std::string(100, 'v'));
  LmdbWriter(file).write(pairs);
  const int fd = ::open(file.c_str(), O_RDONLY);
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  for (int i = 0; i < 20'000; i += 999)
    EXPECT_EQ(ask("lmdb", file, "key" + std::to_string(i)), "=" + std::string(100, 'v'));
}

TEST_F(Databases, CdbFindsTheFirstRecord) {
  Pairs pairs{{"one", "1"}, {"dup", "first"}, {"dup", "second"}, {"empty", ""}};
  for (int i = 0; i < 3000; ++i) pairs.emplace_back("key" + std::to_string(i), std::to_string(i));
  const std::string file = directory_.write("c.cdb", make_cdb(pairs));
  EXPECT_EQ(ask("cdb", file, "one"), "=1");
  EXPECT_EQ(ask("cdb", file, "dup"), "=first");
  EXPECT_EQ(ask("cdb", file, "empty"), "=");
  EXPECT_EQ(ask("cdb", file, "absent"), "none");
  for (int i = 0; i < 3000; ++i)
    ASSERT_EQ(ask("cdb", file, "key" + std::to_string(i)), "=" + std::to_string(i));
  directory_.write("c.cdb", make_cdb({{"one", "2"}}));
  EXPECT_EQ(ask("cdb", file, "one"), "=2");
}

TEST_F(Databases, CdbFilesThatAreCutOrHostileGiveErrors) {
  const std::string content = make_cdb({{"one", "1"}, {"two", std::string(5000, 'x')}});
  for (size_t bytes = 0; bytes < content.size(); bytes += 97) {
    const std::string file = directory_.write("cut.cdb", content.substr(0, bytes));
    for (const std::string_view key : {"one", "two", "absent"}) {
      const std::string answer = ask("cdb", file, key);
      EXPECT_TRUE(answer == "none" || answer == "=1" || answer.starts_with("error: cdb lookup of"))
          << answer;
    }
  }
  // Tables of four thousand million slots, without an empty one.
  std::string hostile;
  for (int i = 0; i < 256; ++i) hostile += std::string("\x00\x08\x00\x00\xff\xff\xff\xff", 8);
  hostile += std::string(1 << 20, '\x01');
  EXPECT_TRUE(ask("cdb", directory_.write("h.cdb", hostile), "k").starts_with("error:"));
  EXPECT_TRUE(
      ask("cdb", "/nonexistent.cdb", "k").starts_with("error: failed to open /nonexistent.cdb"));
}

class Sqlite : public LookupTest {
 protected:
  void SetUp() override {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &database), SQLITE_OK);
    sqlite3_exec(database,
                 "create table t(a, b); insert into t values(1, 'x y'), (2, 'q\"r\\s t');", nullptr,
                 nullptr, nullptr);
    sqlite3_close(database);
    LookupSetOptions options;
    options.sqlite_dbfile = file_;
    options.sqlite_lock_timeout = Millis{50};
    start(options);
  }
  std::string file_ = directory_.path() + "/t.db";
};

TEST_F(Sqlite, AnswersAsEximDoes) {
  EXPECT_EQ(ask("sqlite", "select a from t where b = 'x y'"), "=1");
  EXPECT_EQ(ask("sqlite", "select a from t order by a"), "=1\n2");
  EXPECT_EQ(ask("sqlite", "select 1 as a, 'x y' as b, '' as c, null as d"),
            "=a=1 b=\"x y\" c=\"\" d=<NULL> ");
  EXPECT_EQ(ask("sqlite", "select b as z, 4 as w from t where a = 2"), "=z=\"q\\\"r\\\\s t\" w=4 ");
  EXPECT_EQ(ask("sqlite", "select null"), "=<NULL>");
  EXPECT_EQ(ask("sqlite", "select a from t where 0"), "none");
  EXPECT_EQ(ask("sqlite", "insert into t values(3, 'new')"), "none");
  EXPECT_EQ(ask("sqlite", "select b from t where a = 3"), "=new");
  EXPECT_EQ(ask("sqlite", "bad sql").substr(0, 28), "error: sqlite: query failed:");
  EXPECT_EQ(ask("sqlite", file_ + " select a from t where a = 2"), "=2");
  EXPECT_EQ(ask("sqlite,file=" + file_, "select a from t where a = 2;"), "=2");
  EXPECT_EQ(ask("sqlite,file=/nonexistent/x", "select 1"),
            "error: sqlite: failed to open /nonexistent/x: No such file or directory");
  EXPECT_EQ(ask("sqlite,file=x", "select 1"),
            "error: absolute file name expected for \"sqlite\" lookup");
}

TEST_F(Sqlite, ALockedFileIsAnErrorInTime) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "begin exclusive", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(ask("sqlite", "select a from t"), "error: sqlite: query failed: database is locked");
  sqlite3_exec(database, "rollback", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  EXPECT_EQ(ask("sqlite", "select count(*) from t"), "=2");
}

}  // namespace
}  // namespace godwit::acl
