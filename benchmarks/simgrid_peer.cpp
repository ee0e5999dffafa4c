// The same work in SimGrid, through its C++ interface: a ring all-reduce of actors, or flows between all pairs of hosts.
// usage: simgrid_peer PLATFORM ring|all_to_all HOSTS BYTES [--cfg=...]; prints the simulated seconds and the messages
#include <cstdio>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>
namespace sg4 = simgrid::s4u;

static std::vector<sg4::Mailbox*> box;
static long messages = 0;
static char token; // every payload points here: only sizes are simulated

static void ring(int me, int n, double bytes)
{
  for (int step = 0; step < 2 * (n - 1); step++) {
    ++messages;
    auto sent = box[(me + 1) % n]->put_async(&token, bytes / n);
    box[me]->get<char>();
    sent->wait();
  }
}

static void all_to_all(const std::vector<sg4::Host*>& host, double bytes)
{
  std::vector<sg4::CommPtr> flows;
  int n = host.size();
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      if (i != j) { // unequal sizes, so that flows end one by one and rates are solved again at each end
        ++messages;
        flows.push_back(sg4::Comm::sendto_async(host[i], host[j], bytes * (1 + (i * n + j) / double(n * n))));
      }
  for (auto& flow : flows)
    flow->wait();
}

int main(int argc, char** argv)
{
  sg4::Engine engine(&argc, argv);
  if (argc < 5)
    return 2;
  engine.load_platform(argv[1]);
  std::string work = argv[2];
  int n            = std::stoi(argv[3]);
  double bytes     = std::stod(argv[4]);
  std::vector<sg4::Host*> host;
  for (int i = 0; i < n; i++) {
    host.push_back(sg4::Host::by_name("h" + std::to_string(i)));
    box.push_back(sg4::Mailbox::by_name("m" + std::to_string(i)));
  }
  if (work == "all_to_all")
    sg4::Actor::create("all", host[0], [&]() { all_to_all(host, bytes); });
  else
    for (int i = 0; i < n; i++)
      sg4::Actor::create("rank" + std::to_string(i), host[i], [=]() { ring(i, n, bytes); });
  engine.run();
  std::printf("%.9f %ld\n", sg4::Engine::get_clock(), messages);
}
