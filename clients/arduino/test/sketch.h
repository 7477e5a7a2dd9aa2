// What the sketch of README.md uses besides the header, so that a compiler can check it.

#include "../src/Aquaware.h"

extern aquaware::Transport& transport;
extern aquaware::Board& board;
uint32_t millis();
void send(const char* header, const char* token);
void loop();
