// Keeps a session with an Aquaware server alive on a microcontroller. One header, C++11, without
// heap, exceptions, RTTI and JSON library. README.md shows how to use it, and
// https://github.com/aquaware/aquaware/blob/main/docs/protocol.md has the rules.

#ifndef AQUAWARE_H
#define AQUAWARE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The longest tokens, in bytes. Extra claims and long issuers make access tokens longer.
#ifndef AQUAWARE_ACCESS_MAX
#define AQUAWARE_ACCESS_MAX 640
#endif
#ifndef AQUAWARE_REFRESH_MAX
#define AQUAWARE_REFRESH_MAX 448
#endif
// The pause before the first retry, in milliseconds. It doubles up to a minute.
#ifndef AQUAWARE_BACKOFF
#define AQUAWARE_BACKOFF 1000
#endif

namespace aquaware {

// A connection to the server. Use TLS, and give up after some seconds without a byte.
class Transport {
 public:
  virtual bool open() = 0;
  virtual bool write(const char* bytes, size_t count) = 0;
  // The next byte, or -1 at the end of the connection or after the time limit.
  virtual int read() = 0;
  virtual void close() = 0;

 protected:
  ~Transport() {}
};

// Memory that survives a loss of power, `Client::MEMORY` bytes from address 0, and random numbers.
class Board {
 public:
  virtual uint8_t load(uint16_t address) = 0;
  virtual void store(uint16_t address, uint8_t value) = 0;
  // Everything stored so far is durable when this returns true. Bytes stored before may be too.
  virtual bool commit() = 0;
  // Unpredictable bits: from the hardware, not from a seed that a reset repeats.
  virtual uint8_t random() = 0;

 protected:
  ~Board() {}
};

enum class State : uint8_t {
  LoggedIn,      // there is a session
  LoggedOut,     // there is none: log in
  Expired,       // it ended: the refresh token was not used in time
  Reused,        // it ended: another party has a copy of the refresh token
  Revoked,       // it ended: logout, password change, or reuse
  Invalid,       // it ended: the refresh token is not one of this server
  Unavailable,   // nothing was decided, or the outcome is unknown; the session is unaffected
  Rejected,      // the server or a proxy rejected the request; the session is unaffected
  StorageFailed  // the memory failed; what could not be stored was not used
};

// Extracts members of a JSON object from a stream of bytes, without storing anything else.
class Scanner {
 public:
  uint32_t expires;
  bool hasAccess, hasRefresh, sameRefresh, complete, broken;

  Scanner(char* access, char* refresh)
      : expires(0), hasAccess(false), hasRefresh(false), sameRefresh(true), complete(false),
        broken(false), access_(access), refresh_(refresh), out_(nullptr), last_(nullptr),
        depth_(0), member_(0), inText_(false), escaped_(false), isName_(false) {
    code[0] = 0;
  }

  void feed(char c) {
    if (inText_) return text(c);
    if (depth_ == 0 && c != '{') {
      if (static_cast<uint8_t>(c) > ' ') broken = true;
      return;
    }
    switch (c) {
      case '"':
        return begin();
      case '{':
      case '[':
        if (++depth_ == 0) broken = true;
        break;
      case '}':
      case ']':
        if (--depth_ == 0) complete = true;
        break;
      case ':':
      case ',':
        break;
      default:
        if (depth_ == 1 && member_ == 'e' && c > ' ' && !append(expires, c)) member_ = 0;
        return;
    }
    isName_ = depth_ == 1 && c != ':';
  }

  // Appends the character to the number, if it is a digit.
  static bool append(uint32_t& number, char c) {
    const uint8_t digit = static_cast<uint8_t>(c - '0');
    if (digit > 9) return false;
    if (number < 100000000) number = number * 10 + digit;
    return true;
  }

 private:
  char* access_;
  char* refresh_;
  char* out_;   // where the text is written, or null
  char* last_;  // where its end must be at the latest
  uint8_t depth_;
  char member_;  // the first letter of the member's name, if it is a wanted one
  bool inText_, escaped_, isName_;
  char name_[14];

 public:
  char code[24];

 private:
  void begin() {
    inText_ = true;
    out_ = nullptr;
    if (depth_ != 1) return;
    if (isName_) write(name_, sizeof name_);
    else if (member_ == 'a') write(access_, AQUAWARE_ACCESS_MAX);
    else if (member_ == 'r') write(refresh_, AQUAWARE_REFRESH_MAX);
    else if (member_ == 'c') write(code, sizeof code);
  }

  void write(char* out, uint16_t max) {
    out_ = out;
    last_ = out + max - 1;
  }

  void text(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '"') {
      inText_ = false;
      if (out_) put(0);
      if (isName_) member_ = out_ ? member() : 0;
      else if (out_) end();
    } else {
      escaped_ = c == '\\';
      if (out_) put(c);
    }
  }

  // No name, token or code that is wanted contains an escape or is longer than its place.
  void put(char c) {
    if (escaped_ || (c && out_ == last_)) {
      if (!isName_) code[0] = 0;
      if (!isName_ && member_ != 'c') broken = true;
      out_ = nullptr;
      return;
    }
    if (!isName_ && member_ == 'r' && *out_ != c) sameRefresh = false;
    *out_++ = c;
  }

  void end() {
    if (member_ == 'a') hasAccess = out_ - access_ > 1;
    if (member_ == 'r') hasRefresh = out_ - refresh_ > 1;
  }

  char member() {
    static const char NAMES[4][14] = {"access_token", "refresh_token", "expires_in", "code"};
    for (uint8_t i = 0; i < 4; ++i) {
      if (strcmp(name_, NAMES[i])) continue;
      if (i == 2) expires = 0;
      return name_[0];
    }
    return 0;
  }
};

class Client {
  static const uint16_t KEY = 24;
  static const uint16_t RECORD = AQUAWARE_REFRESH_MAX + KEY;
  static const uint16_t SLOT = 1 + RECORD + 4;

 public:
  // How many bytes of the board's memory are used: two records, so that a loss of power while one
  // is written leaves the other.
  static const uint16_t MEMORY = 2 * SLOT;

  // `host` is the name for the header Host, `path` the path of the issuer, if it has one.
  Client(Transport& transport, Board& board, const char* host, const char* path = "")
      : transport_(transport), board_(board), host_(host), path_(path), requested_(0), lasts_(0),
        pause_(0), paused_(0), sum_(0), span_(0), length_(0), at_(0), fine_(true), sends_(false),
        slot_(0), sequence_(0) {
    access_[0] = refresh_[0] = 0;
  }

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Opens a session. Failures are not retried.
  State login(uint32_t now, const char* email, const char* password, const char* client) {
    const char* const values[] = {email, password, client};
    Answer answer(access_, refresh_);
    exchange("/auth/login", "{\"email\":\"$\",\"password\":\"$\",\"client_id\":\"$\"}", values, answer);
    if (!answer.granted() || !answer.json.hasRefresh) {
      access_[0] = 0;
      return answer.retry() ? State::Unavailable : State::Rejected;
    }
    return keep(answer, now);
  }

  // Continues a session that was opened elsewhere, for example when the device was set up.
  State adopt(const char* refreshToken) {
    access_[0] = 0;
    const size_t length = strlen(refreshToken);
    if (length == 0 || length >= AQUAWARE_REFRESH_MAX) return State::Rejected;
    memcpy(refresh_, refreshToken, length + 1);
    return save() ? State::LoggedIn : State::StorageFailed;
  }

  // A usable access token, or null: then `state()` says why. It makes at most one attempt and
  // never waits for the next one, so call it again from `loop()`. `now` is `millis()`.
  const char* token(uint32_t now) {
    if (access_[0] && now - requested_ < lasts_) {
      state_ = State::LoggedIn;
      return access_;
    }
    if (span_ && now - paused_ < pause_) {
      state_ = State::Unavailable;
      return nullptr;
    }
    state_ = renew(now);
    return state_ == State::LoggedIn ? access_ : nullptr;
  }

  State state() const { return state_; }

  // The service answered 401 with `invalid_token`: the next call of `token` renews.
  void rejected() { access_[0] = 0; }

  // Forgets the session, and tells the server once.
  State logout() {
    access_[0] = 0;
    const bool there = recall();
    const bool gone = forget();
    if (!there) return State::LoggedOut;
    Answer answer(access_, refresh_);
    present("/auth/logout", answer);
    refresh_[0] = 0;
    if (!gone) return State::StorageFailed;
    return answer.status == 204 ? State::LoggedOut : State::Unavailable;
  }

 private:
  struct Answer {
    uint16_t status;
    uint32_t after;
    Scanner json;
    Answer(char* access, char* refresh) : status(0), after(0), json(access, refresh) {}
    bool granted() const { return status == 200 && json.complete && json.hasAccess; }
    bool retry() const {
      return status == 0 || status == 200 || status == 408 || status == 429 || status >= 500;
    }
  };

  Transport& transport_;
  Board& board_;
  const char* host_;
  const char* path_;
  uint32_t requested_, lasts_, pause_, paused_;
  uint32_t sum_;          // the checksum of what was read or written
  uint16_t span_;         // the longest pause before the next attempt; 0 if none failed
  uint16_t length_, at_;  // of the body; in the record that is written
  bool fine_, sends_;     // whether all writes succeeded; whether they are made or counted
  uint8_t slot_, sequence_;
  State state_ = State::LoggedOut;
  char access_[AQUAWARE_ACCESS_MAX];
  // The record as it is stored: the refresh token, filled up with zeros, and the key of its only
  // use.
  char refresh_[RECORD + 1];
  char* const key_ = refresh_ + AQUAWARE_REFRESH_MAX;

  State renew(uint32_t now) {
    access_[0] = 0;
    if (!recall()) return State::LoggedOut;
    Answer answer(access_, refresh_);
    present("/auth/refresh", answer);
    // An answer with the token that was sent answers an earlier request.
    if (answer.granted() && !(answer.json.hasRefresh && answer.json.sameRefresh))
      return keep(answer, now);
    access_[0] = 0;
    const State ended = answer.status == 401 && answer.json.complete ? reason(answer.json.code)
                                                                     : State::Rejected;
    if (ended != State::Rejected) return forget() ? ended : State::StorageFailed;
    if (!answer.retry()) return State::Rejected;
    span_ = span_ == 0 ? AQUAWARE_BACKOFF : span_ < 30000 ? span_ * 2 : 60000;
    pause_ = span_ / 2 + span_ / 256 * (board_.random() / 2);
    if (pause_ < answer.after) pause_ = answer.after;
    paused_ = now;
    return State::Unavailable;
  }

  // Stores the new refresh token, then permits the use of the access token.
  State keep(const Answer& answer, uint32_t now) {
    if (answer.json.hasRefresh && !save()) {
      access_[0] = 0;
      return State::StorageFailed;
    }
    span_ = 0;
    requested_ = now;
    lasts_ = (answer.json.expires < 4000000 ? answer.json.expires : 4000000) * 900;
    return state_ = State::LoggedIn;
  }

  // The four codes that end a session, in the order of `State`.
  static State reason(const char* code) {
    static const char CODES[4][22] = {"refresh_token_expired", "refresh_token_reused",
                                      "session_revoked", "invalid_refresh_token"};
    for (uint8_t i = 0; i < 4; ++i)
      if (!strcmp(code, CODES[i])) return static_cast<State>(static_cast<uint8_t>(State::Expired) + i);
    return State::Rejected;
  }

  // --- HTTP. Version 1.0: no answer is chunked, and each has its own connection.

  // Writes a text with a value in the place of each '$', or counts its bytes. Without values, the
  // text is escaped as JSON has it.
  void put(const char* text, const char* const* values) {
    while (*text) {
      const char* const start = text;
      while (values ? *text && *text != '$' : isPlain(*text)) ++text;
      put(start, static_cast<uint16_t>(text - start));
      if (!*text) return;
      const char c = *text++;
      const char code[6] = {'\\', 'u', '0', '0', digit(c >> 4), digit(c & 15)};
      if (values) put(*values++, nullptr);
      else put(code, sizeof code);
    }
  }

  void put(const char* bytes, uint16_t count) {
    if (!sends_) length_ = static_cast<uint16_t>(length_ + count);
    else if (count) fine_ = fine_ && transport_.write(bytes, count);
  }

  static bool isPlain(char c) {
    return static_cast<uint8_t>(c) >= ' ' && c != '"' && c != '\\';
  }

  static char digit(int value) { return static_cast<char>(value + (value < 10 ? '0' : 'W')); }

  void present(const char* path, Answer& answer) {
    const char* const values[] = {refresh_};
    exchange(path, "{\"refresh_token\":\"$\"}", values, answer);
  }

  // Sends a request and receives its answer. The key accompanies the refresh token.
  void exchange(const char* path, const char* body, const char* const* values, Answer& answer) {
    length_ = 0;
    sends_ = false;
    put(body, values);
    char length[6];
    char* number = length + sizeof length;
    *--number = 0;
    do *--number = static_cast<char>('0' + length_ % 10);
    while (length_ /= 10);
    const char* const head[] = {path_, path, host_, number, key_};
    fine_ = sends_ = true;
    if (transport_.open()) {
      put("POST $$ HTTP/1.0\r\nHost: $\r\nContent-Type: application/json\r\nContent-Length: $", head);
      if (values[0] == refresh_) put("\r\nIdempotency-Key: $", head + 4);
      put("\r\n\r\n", head);
      put(body, values);
      if (fine_) receive(answer);
    }
    transport_.close();
  }

  void receive(Answer& answer) {
    char line[32];  // longer lines are cut: no wanted one is longer
    uint8_t at = 0;
    bool first = true;
    uint16_t status = 0;
    for (uint16_t budget = 8192; budget; --budget) {
      const int c = transport_.read();
      if (c < 0) return;
      if (c == '\r') continue;
      if (c != '\n') {
        const char lower = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        if (at + 1u < sizeof line) line[at++] = lower;
        continue;
      }
      line[at] = 0;
      if (first) {
        if (strncmp(line, "http/1.", 7) || at < 12) return;
        status = static_cast<uint16_t>(number(line + 9));
      } else if (at == 0) {
        answer.status = status;
        return receiveBody(answer);
      } else if (!strncmp(line, "retry-after:", 12)) {
        const uint32_t seconds = number(line + 12);
        answer.after = (seconds < 3600 ? seconds : 3600) * 1000;
      }
      first = false;
      at = 0;
    }
  }

  void receiveBody(Answer& answer) {
    for (uint16_t budget = 8192; budget && !answer.json.complete && !answer.json.broken; --budget) {
      const int c = transport_.read();
      if (c < 0) return;
      answer.json.feed(static_cast<char>(c));
    }
  }

  static uint32_t number(const char* text) {
    uint32_t value = 0;
    while (*text == ' ') ++text;
    for (; *text >= '0' && *text <= '9' && value < 100000000; ++text)
      value = value * 10 + static_cast<uint32_t>(*text - '0');
    return value;
  }

  // --- The record: a sequence number, the refresh token, the key of its only use, a checksum.
  // Two slots take turns.

  uint8_t loaded(uint8_t slot, uint16_t at) {
    return board_.load(static_cast<uint16_t>(slot * SLOT + at));
  }

  // The checksum of a record with its checksum is 0.
  bool isValid(uint8_t slot) {
    sum_ = 0xFFFFFFFF;
    for (uint16_t i = 0; i < SLOT; ++i) check(loaded(slot, i));
    return sum_ == 0 && loaded(slot, 1) != 0;
  }

  // Adds a byte to the checksum, a CRC-32.
  void check(uint8_t byte) {
    sum_ ^= byte;
    for (uint8_t bit = 0; bit < 8; ++bit) sum_ = sum_ & 1 ? sum_ >> 1 ^ 0xEDB88320 : sum_ >> 1;
  }

  // Finds the newer of the valid records.
  bool locate() {
    const bool first = isValid(0), second = isValid(1);
    const int8_t ahead = static_cast<int8_t>(loaded(1, 0) - loaded(0, 0));
    slot_ = static_cast<uint8_t>(second && (!first || ahead > 0));
    sequence_ = first || second ? loaded(slot_, 0) : 0;
    return first || second;
  }

  bool recall() {
    if (!locate()) return false;
    for (uint16_t i = 0; i < RECORD; ++i)
      refresh_[i] = static_cast<char>(loaded(slot_, static_cast<uint16_t>(1 + i)));
    refresh_[AQUAWARE_REFRESH_MAX - 1] = refresh_[RECORD] = 0;
    return true;
  }

  // Writes the refresh token with a new key into the older slot.
  bool save() {
    const size_t length = strlen(refresh_);
    memset(refresh_ + length, 0, AQUAWARE_REFRESH_MAX - length);
    // 120 random bits, as digits, letters and the signs between them.
    for (uint8_t i = 0; i < KEY; ++i) key_[i] = static_cast<char>('0' + (board_.random() & 31));
    key_[KEY] = 0;
    locate();
    slot_ ^= 1;
    sequence_ = static_cast<uint8_t>(sequence_ + 1);
    at_ = 0;
    sum_ = 0xFFFFFFFF;
    write(sequence_);
    for (uint16_t i = 0; i < RECORD; ++i) write(static_cast<uint8_t>(refresh_[i]));
    for (uint8_t i = 0; i < 4; ++i) write(static_cast<uint8_t>(sum_));
    return board_.commit() && isValid(slot_);
  }

  void write(uint8_t byte) {
    board_.store(static_cast<uint16_t>(slot_ * SLOT + at_++), byte);
    check(byte);
  }

  // Makes both slots invalid and their secrets unreadable.
  bool forget() {
    for (uint16_t i = 0; i < MEMORY; ++i) board_.store(i, 0);
    return board_.commit();
  }
};

}  // namespace aquaware

#endif
