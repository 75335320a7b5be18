{
  # CMake is the only build description; this target runs it, so that node-gyp works as well.
  "targets": [{
    "target_name": "reviewkd",
    "type": "none",
    "actions": [{
      "action_name": "cmake",
      "inputs": [],
      # Never created: CMake itself knows what is out of date.
      "outputs": ["<(PRODUCT_DIR)/reviewkd.always"],
      "action": ["node", "--import", "tsx", "<(module_root_dir)/scripts/build.ts", "--native"]
    }]
  }]
}
