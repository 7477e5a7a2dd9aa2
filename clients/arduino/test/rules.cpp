// The rules of docs/protocol.md, against answers that each test plans. Prints the failed checks.

#include "../src/Aquaware.h"

#include <cstdio>
#include <deque>
#include <string>
#include <vector>

using aquaware::Board;
using aquaware::Client;
using aquaware::State;
using aquaware::Transport;

static int failures = 0;
#define CHECK(condition)                                          \
  do {                                                            \
    if (!(condition)) {                                           \
      ++failures;                                                 \
      std::printf("FAILED %s:%d: %s\n", test, __LINE__, #condition); \
    }                                                             \
  } while (false)

static_assert(sizeof(aquaware::Scanner) <= 200, "reading JSON takes at most 200 bytes");
static_assert(sizeof(Client) <= AQUAWARE_ACCESS_MAX + AQUAWARE_REFRESH_MAX + 200, "state is small");

struct Network final : Transport {
  std::deque<std::string> plan;
  std::vector<std::string> requests;
  std::string answer;
  size_t at = 0;
  bool open() override {
    requests.emplace_back();
    at = 0;
    answer = plan.empty() ? "" : plan.front();
    if (!plan.empty()) plan.pop_front();
    return answer != "refused";
  }
  bool write(const char* bytes, size_t count) override {
    requests.back().append(bytes, count);
    return true;
  }
  int read() override { return at < answer.size() ? static_cast<uint8_t>(answer[at++]) : -1; }
  void close() override {}
};

struct Memory final : Board {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(Client::MEMORY, 0xFF);
  int left = -1;  // how many more writes succeed; negative: all
  uint8_t noise = 1;
  uint8_t load(uint16_t address) override { return bytes.at(address); }
  void store(uint16_t address, uint8_t value) override {
    if (left == 0) return;
    if (left > 0) --left;
    bytes.at(address) = value;
  }
  bool commit() override { return left != 0; }
  uint8_t random() override { return noise = static_cast<uint8_t>(noise * 5 + 3); }
};

static std::string answer(int status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
         "Content-Type: application/json\r\n\r\n" + body;
}

static std::string tokens(const std::string& access, const std::string& refresh) {
  const std::string rest = refresh.empty() ? "" : ",\"refresh_token\":\"" + refresh + "\"";
  return answer(200, "{\"access_token\":\"" + access + "\",\"x\":{\"access_token\":\"no\"}," +
                         "\"expires_in\": 300" + rest + "}");
}

static std::string problem(int status, const std::string& code) {
  return answer(status, "{\"detail\":\"a \\\"b\\\" {\",\"code\":\"" + code + "\",\"errors\":[{}]}");
}

static std::string field(const std::string& request, const std::string& before) {
  const size_t start = request.find(before);
  if (start == std::string::npos) return "";
  const size_t from = start + before.size();
  return request.substr(from, request.find_first_of("\r\"", from) - from);
}

static std::string key(const std::string& request) { return field(request, "Idempotency-Key: "); }
static std::string sent(const std::string& request) {
  return field(request, "{\"refresh_token\":\"");
}

struct Device {
  Network network;
  Memory memory;
  Client client{network, memory, "login.example.com", "/eu"};
  Device() {
    network.plan = {tokens("a1", "r1")};
    client.login(0, "ann@example.com", "seven \"blue\" snails\n", "device");
  }
};

static void login_escapes_and_stores() {
  const char* test = __func__;
  Device device;
  const std::string& request = device.network.requests.at(0);
  CHECK(request.find("POST /eu/auth/login HTTP/1.0\r\nHost: login.example.com\r\n") == 0);
  CHECK(request.find("seven \\u0022blue\\u0022 snails\\u000a") != std::string::npos);
  const size_t body = request.find("\r\n\r\n") + 4;
  CHECK(std::to_string(request.size() - body) == field(request, "Content-Length: "));
  CHECK(std::string(device.client.token(269999)) == "a1");
  CHECK(device.network.requests.size() == 1);
}

static void key_is_stored_before_the_first_attempt() {
  const char* test = __func__;
  Device device;
  Client rebooted(device.network, device.memory, "h");
  device.network.plan = {tokens("a2", "r2"), tokens("a3", "r3")};
  CHECK(std::string(rebooted.token(5)) == "a2");
  rebooted.rejected();
  CHECK(std::string(rebooted.token(6)) == "a3");
  const std::vector<std::string>& requests = device.network.requests;
  CHECK(sent(requests.at(1)) == "r1" && sent(requests.at(2)) == "r2");
  CHECK(key(requests.at(1)).size() == 24 && key(requests.at(1)) != key(requests.at(2)));
}

static void unknown_outcomes_are_retried_with_the_same_key() {
  const char* test = __func__;
  Device device;
  const std::string whole = tokens("a2", "r2");
  device.network.plan = {
      "refused", "", "garbage\r\n\r\n", whole.substr(0, whole.size() - 1), whole.substr(0, 60),
      answer(502, "<html>"), problem(500, "internal_error"), problem(503, "x"), problem(429, "x"),
      problem(408, "x"), answer(200, "<html>"), answer(200, "null"), answer(200, "{}"),
      tokens("a1", "r1"), tokens("a2", std::string(AQUAWARE_REFRESH_MAX, 'x')),
      tokens(std::string(AQUAWARE_ACCESS_MAX, 'x'), "r2"), whole};
  const size_t count = device.network.plan.size();
  uint32_t now = 0xFFFF0000;  // millis() is about to start again
  device.client.rejected();
  for (size_t i = 1; i < count; ++i, now += 60000) {
    CHECK(device.client.token(now) == nullptr && device.client.state() == State::Unavailable);
    CHECK(device.client.token(now + 200) == nullptr);
    CHECK(device.network.requests.size() == 1 + i);
  }
  CHECK(std::string(device.client.token(now)) == "a2");
  for (size_t i = 2; i <= count; ++i) {  // the first could not be sent
    CHECK(sent(device.network.requests.at(i)) == "r1");
    CHECK(key(device.network.requests.at(i)) == key(device.network.requests.at(2)));
  }
}

static void retry_after_is_obeyed() {
  const char* test = __func__;
  Device device;
  device.client.rejected();
  device.network.plan = {answer(503, "", "RETRY-AFTER: 7\r\n"), tokens("a2", "r2")};
  CHECK(device.client.token(100) == nullptr);
  CHECK(device.client.token(7099) == nullptr && device.network.requests.size() == 2);
  CHECK(device.client.token(7100) != nullptr);
}

static void only_the_four_codes_end_the_session() {
  const char* test = __func__;
  const struct { const char* code; State state; } ends[] = {
      {"refresh_token_expired", State::Expired}, {"refresh_token_reused", State::Reused},
      {"session_revoked", State::Revoked}, {"invalid_refresh_token", State::Invalid}};
  for (const auto& end : ends) {
    Device device;
    device.client.rejected();
    device.network.plan = {problem(403, end.code), problem(401, "proxy"), answer(401, "<html>"),
                           problem(400, "invalid_request"), problem(401, end.code)};
    for (int i = 0; i < 4; ++i) {
      CHECK(device.client.token(0) == nullptr && device.client.state() == State::Rejected);
    }
    CHECK(device.client.token(0) == nullptr && device.client.state() == end.state);
    CHECK(device.client.token(0) == nullptr && device.client.state() == State::LoggedOut);
    CHECK(device.network.requests.size() == 6);
    for (const uint8_t byte : device.memory.bytes) CHECK(byte == 0);
  }
}

static void rotation_never_writes_nothing() {
  const char* test = __func__;
  Device device;
  const std::vector<uint8_t> before = device.memory.bytes;
  device.network.plan = {tokens("a2", ""), tokens("a3", "")};
  for (const char* expected : {"a2", "a3"}) {
    device.client.rejected();
    CHECK(std::string(device.client.token(0)) == expected);
  }
  CHECK(device.memory.bytes == before);
  CHECK(sent(device.network.requests.at(2)) == "r1");
}

static void power_may_fail_between_any_two_bytes() {
  const char* test = __func__;
  const int all = Client::MEMORY / 2;
  for (int left = 0; left <= all; ++left) {
    Device device;
    device.client.rejected();
    device.network.plan = {tokens("a2", "r2"), tokens("a3", "r3")};
    device.memory.left = left;
    const char* token = device.client.token(0);
    CHECK(token == nullptr && device.client.state() == State::StorageFailed);
    device.memory.left = -1;
    Client rebooted(device.network, device.memory, "h");
    CHECK(rebooted.token(0) != nullptr);
    const std::vector<std::string>& requests = device.network.requests;
    const std::string used = sent(requests.at(2));
    CHECK(used == (left < all ? "r1" : "r2"));
    if (used == "r1") CHECK(key(requests.at(2)) == key(requests.at(1)));
  }
}

static void a_new_session_replaces_a_stored_one() {
  const char* test = __func__;
  Device device;
  for (int i = 0; i < 300; ++i) {  // the sequence number starts again
    Client rebooted(device.network, device.memory, "h");
    const std::string token = "s" + std::to_string(i);
    CHECK(rebooted.adopt(token.c_str()) == State::LoggedIn);
    Client again(device.network, device.memory, "h");
    again.token(0);
    CHECK(sent(device.network.requests.back()) == token);
  }
  CHECK(device.client.adopt("") == State::Rejected);
  CHECK(device.client.adopt(std::string(AQUAWARE_REFRESH_MAX, 'x').c_str()) == State::Rejected);
}

static void logout_forgets_and_tells_the_server() {
  const char* test = __func__;
  Device device;
  device.network.plan = {answer(204, "")};
  CHECK(device.client.logout() == State::LoggedOut);
  CHECK(sent(device.network.requests.back()) == "r1");
  CHECK(device.client.token(0) == nullptr && device.client.state() == State::LoggedOut);
  CHECK(device.client.logout() == State::LoggedOut && device.network.requests.size() == 2);
}

static void failed_logins_store_nothing() {
  const char* test = __func__;
  Network network;
  Memory memory;
  Client client(network, memory, "h");
  network.plan = {problem(401, "invalid_credentials"), "refused", tokens("a1", "")};
  CHECK(client.login(0, "a", "b", "c") == State::Rejected);
  CHECK(client.login(0, "a", "b", "c") == State::Unavailable);
  CHECK(client.login(0, "a", "b", "c") != State::LoggedIn);
  CHECK(client.token(0) == nullptr && client.state() == State::LoggedOut);
}

static void hostile_answers_are_bounded() {
  const char* test = __func__;
  Device device;
  device.client.rejected();
  const std::string headers(100000, 'x');
  device.network.plan = {"HTTP/1.1 200 X\r\n" + headers, answer(200, std::string(100000, '[')),
                         answer(200, "{\"access_token\":\"" + headers),
                         answer(200, "{" + std::string(300, '{') + "\"code\":\"x\"")};
  for (uint32_t now = 0; !device.network.plan.empty(); now += 60000) {
    CHECK(device.client.token(now) == nullptr && device.client.state() == State::Unavailable);
  }
}

int main() {
  login_escapes_and_stores();
  key_is_stored_before_the_first_attempt();
  unknown_outcomes_are_retried_with_the_same_key();
  retry_after_is_obeyed();
  only_the_four_codes_end_the_session();
  rotation_never_writes_nothing();
  power_may_fail_between_any_two_bytes();
  a_new_session_replaces_a_stored_one();
  logout_forgets_and_tells_the_server();
  failed_logins_store_nothing();
  hostile_answers_are_bounded();
  std::printf("%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
}
