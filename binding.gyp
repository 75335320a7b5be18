{
  # CMake is the only build description; this target runs it, so that node-gyp works as well.
  "targets": [{
    "target_name": "reviewkd",
    "type": "none",
    "actions": [{
      "action_name": "cmake",
      "inputs": [],
      # Never made: the build itself knows what is due.
      "outputs": ["<(PRODUCT_DIR)/reviewkd.always"],
      "action": ["node", "--import", "tsx", "<(module_root_dir)/scripts/build.ts", "--native"]
    }]
  }]
}
