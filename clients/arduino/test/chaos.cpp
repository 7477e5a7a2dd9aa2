// Sessions of the header through a bad network, for `cargo xtask chaos`, which describes what a
// driver does and kills this process now and then: everything it knows is in the directory.

#define AQUAWARE_BACKOFF 10
#include "../src/Aquaware.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

using aquaware::Client;
using aquaware::State;

static std::string variable(const char* name) {
  const char* value = std::getenv(name);
  if (!value) std::abort();
  return value;
}

static uint32_t now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return static_cast<uint32_t>(passed + 0xFFFFF000);  // millis() starts again during the storm
}

static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

// A TCP connection to http://127.0.0.1:PORT.
struct Socket final : aquaware::Transport {
  sockaddr_in address{};
  int handle = -1;
  explicit Socket(const std::string& url) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  }
  bool open() override {
    handle = socket(AF_INET, SOCK_STREAM, 0);
    timeval limit{1, 500000};
    setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return connect(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool write(const char* bytes, size_t count) override {
    return send(handle, bytes, count, MSG_NOSIGNAL) == static_cast<ssize_t>(count);
  }
  int read() override {
    unsigned char byte;
    return recv(handle, &byte, 1, 0) == 1 ? byte : -1;
  }
  void close() override { ::close(handle); }
};

// The memory of a board in a file, whose power fails after so many written bytes.
struct File final : aquaware::Board {
  std::string path;
  std::vector<uint8_t> bytes;
  int left = -1;
  std::random_device device;
  explicit File(const std::string& name) : path(name), bytes(Client::MEMORY, 0xFF) { reload(); }
  void reload() {
    std::ifstream file(path, std::ios::binary);
    const std::vector<uint8_t> found((std::istreambuf_iterator<char>(file)),
                                     std::istreambuf_iterator<char>());
    if (found.size() == bytes.size()) bytes = found;
  }
  bool flush() {
    const std::string next = path + ".new";
    std::ofstream(next, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    return std::rename(next.c_str(), path.c_str()) == 0;
  }
  uint8_t load(uint16_t at) override { return bytes.at(at); }
  void store(uint16_t at, uint8_t value) override {
    if (left == 0) return;
    if (left > 0) --left;
    bytes.at(at) = value;
  }
  bool commit() override { return flush() && left != 0; }
  uint8_t random() override { return static_cast<uint8_t>(device()); }
};

struct Session {
  const unsigned number;
  const std::string proxy = variable("CHAOS_PROXY"), server = variable("CHAOS_SERVER");
  std::minstd_rand dice{std::random_device{}()};
  explicit Session(unsigned at) : number(at) {}

  std::string path(const char* name) const {
    return variable("CHAOS_DIRECTORY") + "/" + std::to_string(number) + "." + name;
  }
  bool has(const char* name) const { return access(path(name).c_str(), F_OK) == 0; }
  void note(const char* name, const std::string& text = "") const {
    std::ofstream(path(name)) << text;
  }
  unsigned long count() const {
    std::ifstream file(path("count"), std::ios::binary | std::ios::ate);
    return file ? static_cast<unsigned long>(file.tellg()) : 0;
  }

  // The state of a client that has an access token or whose session has ended.
  static State decided(Client& client, uint32_t shift = 0) {
    for (int tries = 0; tries < 3000; ++tries) {
      if (client.token(now() + shift)) return State::LoggedIn;
      const State state = client.state();
      if (state != State::Unavailable && state != State::Rejected) return state;
      wait();
    }
    std::abort();
  }

  bool offline() const { return number == 1 || number == 2; }

  void logIn() const {
    const std::string email = variable("CHAOS_NAME") + "-" + std::to_string(number) + "@example.com";
    const std::string body =
        "{\"email\":\"" + email + "\",\"password\":\"seven blue snails\"}";
    File memory(path("session"));
    Socket network(server);
    for (int tries = 0; tries < 3000; ++tries, wait()) {
      // An account that exists was created before the process was killed.
      const std::string request = "POST /auth/signup HTTP/1.0\r\nHost: x\r\nContent-Type: "
                                  "application/json\r\nContent-Length: " +
                                  std::to_string(body.size()) + "\r\n\r\n" + body;
      const bool sent = network.open() && network.write(request.data(), request.size());
      if (sent) while (network.read() >= 0) {}
      network.close();
      Client client(network, memory, "x");
      const char* profile = offline() ? "offline" : number % 10 == 5 ? "device" : "strict";
      if (client.login(now(), email.c_str(), "seven blue snails", profile) == State::LoggedIn) return;
    }
    std::abort();
  }

  void run(unsigned long refreshes) {
    if (has("done")) return;
    // Killed during the theft, with the end of the session in an unknown state.
    if (has("thief")) std::remove(path("session").c_str());
    if (!has("session")) logIn();
    while (count() < refreshes) {
      const State state = renew();
      if (state == State::LoggedIn) continue;
      note("logout", std::to_string(static_cast<int>(state)));
      return note("done");
    }
    if (offline()) {
      const State state = weeksOffline();
      if (state != State::LoggedIn) {
        note("logout", std::to_string(static_cast<int>(state)));
        return note("done");
      }
    }
    // The live token is the stored one: there is no other branch of the session.
    File memory(path("session"));
    Socket network(server);
    Client client(network, memory, "x");
    if (decided(client) != State::LoggedIn) note("fork");
    if (number % 10 == 0) theft(client);
    note("done");
  }

  // One life of the device: it starts, renews once or twice, and its power fails now and then.
  State renew() {
    File memory(path("session"));
    Socket network(proxy);
    const std::vector<uint8_t> before = memory.bytes;
    Client client(network, memory, "x");
    const unsigned chance = dice() % 20;
    if (chance < 4) memory.left = static_cast<int>(dice() % (Client::MEMORY / 2 + 1));
    const State state = decided(client);
    if (state == State::StorageFailed) return State::LoggedIn;
    if (state != State::LoggedIn) return state;
    if (chance == 4) {  // the last write is lost
      memory.bytes = before;
      memory.flush();
      return state;
    }
    std::ofstream(path("count"), std::ios::app) << '.';
    if (chance < 4) return state;
    client.rejected();
    const State second = decided(client);
    if (second == State::LoggedIn) std::ofstream(path("count"), std::ios::app) << '.';
    return second;
  }

  // The board starts again when its access token has expired and its refresh token is near its end,
  // with millis() at any value.
  State weeksOffline() const {
    if (!has("offline")) note("offline");
    struct stat since{};
    stat(path("offline").c_str(), &since);
    const long span = std::stol(variable("CHAOS_OFFLINE"));
    while (std::time(nullptr) - since.st_mtime < span) wait();
    File memory(path("session"));
    Socket network(proxy);
    const std::vector<uint8_t> before = memory.bytes;
    Client client(network, memory, "x");
    const uint32_t day = 86400000;
    const State state = decided(client, number == 1 ? day : 0u - day);
    memory.reload();
    if (memory.bytes != before) note("back");
    return state;
  }

  // A copy of the memory is used by a thief: before its owner, or after.
  void theft(Client& owner) const {
    note("thief");
    File copy(path("session"));
    copy.path = path("stolen");
    Socket network(server);
    Client thief(network, copy, "x");
    Client& first = number % 20 == 0 ? thief : owner;
    Client& second = number % 20 == 0 ? owner : thief;
    owner.rejected();
    // With the key that it copied as well, the thief is only found by the next renewal.
    const State one = decided(first);
    first.rejected();
    const State two = decided(first);
    const State three = decided(second);
    first.rejected();
    const State four = decided(first);
    std::remove(copy.path.c_str());
    const bool found = three == State::Reused || three == State::Revoked;
    const bool caught = one == State::LoggedIn && two == State::LoggedIn && found &&
                        four == State::Revoked;
    note(caught ? "caught" : "escaped");
  }
};

int main() {
  const unsigned long sessions = std::stoul(variable("CHAOS_SESSIONS"));
  const unsigned long refreshes = std::stoul(variable("CHAOS_REFRESHES"));
  const unsigned long atOnce = std::stoul(variable("CHAOS_AT_ONCE"));
  std::atomic<unsigned> next(0);
  std::vector<std::thread> workers;
  for (unsigned long worker = 0; worker < atOnce; ++worker) {
    workers.emplace_back([&] {
      for (unsigned number = next++; number < sessions; number = next++) {
        Session(number).run(refreshes);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
}
