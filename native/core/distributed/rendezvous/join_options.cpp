#include "core/distributed/rendezvous/join_options.h"

namespace reviewkd {

std::string Member::description() const {
  return "rank " + std::to_string(rank) + " (" + host + ", process " + std::to_string(process_id) + ")";
}

JoinOptions JoinOptions::from(const Options& options) {
  JoinOptions join;
  join.self = {.rank = options.integer("rank"),
               .size = options.integer("size"),
               .host = options.string("host"),
               .process_id = options.integer("processId"),
               .version = options.string("version")};
  join.timeout_seconds = options.number("timeoutSeconds");
  if (join.self.size == 1 && !options.has("master")) return join;
  const Options master = options.options("master");
  join.master_host = master.string("host");
  join.master_port = master.integer("port");
  join.store_is_hosted = options.boolean("storeIsHosted");
  join.id = options.string("id");
  join.groups_before = options.integer("groupsBefore");
  join.prefix = options.string("prefix");
  // Those of a group that the processes have left may still be there.
  if (join.groups_before > 0) join.prefix += "/group-" + std::to_string(join.groups_before);
  join.address = options.string("address");
  return join;
}

}  // namespace reviewkd
