// Everything a device uses, compiled to measure its size.

#include "../src/Aquaware.h"

struct Nothing final : aquaware::Transport, aquaware::Board {
  bool open() override;
  bool write(const char* bytes, size_t count) override;
  int read() override;
  void close() override;
  uint8_t load(uint16_t address) override;
  void store(uint16_t address, uint8_t value) override;
  bool commit() override;
  uint8_t random() override;
};

extern Nothing board;

const char* renewed(uint32_t now);
aquaware::State loggedIn(uint32_t now);

static aquaware::Client client(board, board, "login.example.com");

const char* renewed(uint32_t now) { return client.token(now); }

aquaware::State loggedIn(uint32_t now) {
  client.rejected();
  return client.login(now, "ann@example.com", "seven blue snails", "device");
}
