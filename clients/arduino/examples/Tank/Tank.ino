// Sends the temperature of a tank every minute. For the ESP32.

#include <Aquaware.h>
#include <EEPROM.h>
#include <WiFiClientSecure.h>

static const char HOST[] = "login.example.com";

struct Tls : aquaware::Transport {
  WiFiClientSecure socket;
  bool open() override { return socket.connect(HOST, 443); }
  bool write(const char* bytes, size_t count) override {
    return socket.write(reinterpret_cast<const uint8_t*>(bytes), count) == count;
  }
  int read() override {
    uint8_t byte;
    return socket.readBytes(&byte, 1) == 1 ? byte : -1;  // waits as long as setTimeout says
  }
  void close() override { socket.stop(); }
};

struct Flash : aquaware::Board {
  uint8_t load(uint16_t address) override { return EEPROM.read(address); }
  void store(uint16_t address, uint8_t value) override { EEPROM.write(address, value); }
  bool commit() override { return EEPROM.commit(); }
  uint8_t random() override { return static_cast<uint8_t>(esp_random()); }
};

static Tls tls;
static Flash flash;
static aquaware::Client auth(tls, flash, HOST);

void setup() {
  // Connect to the network here, and give tls.socket the certificate of the server's authority.
  tls.socket.setTimeout(10);
  EEPROM.begin(aquaware::Client::MEMORY);
}

void loop() {
  const char* token = auth.token(millis());
  if (token) {
    // Send the temperature with the header "Authorization: Bearer <token>". After a 401 with
    // error="invalid_token", call auth.rejected() and try once more.
  } else if (auth.state() != aquaware::State::Unavailable) {
    // Log in: auth.login(millis(), email, password, "device").
  }
  delay(60000);
}
