-- Reads the messages of dfs in a capture of `dfs-sim run --pcap`. The tables `port`, `parts` and `messages` above are made from the schema.
-- Use: dfs-sim dissector > dfs.lua; wireshark -X lua_script:dfs.lua run.pcapng

local dfs = Proto("dfs", "Distributed file system")
local push = Field.new("tcp.flags.push")
local fields = {}

local function add(key, field)
  fields[#fields + 1] = field
  return field
end

local head = {
  body = add("body", ProtoField.uint32("dfs.body_bytes", "body_bytes")),
  bulk = add("bulk", ProtoField.uint32("dfs.bulk_bytes", "bulk_bytes")),
  kind = add("kind", ProtoField.string("dfs.kind", "kind")),
  request = add("request", ProtoField.uint32("dfs.request", "request")),
}
local numbers = { ProtoField.uint8, ProtoField.uint16, [4] = ProtoField.uint32, [8] = ProtoField.uint64 }

-- A field {name, kind, width or part} gets a ProtoField of its own, dfs.<message or part>.<name>.
local function declare(prefix, list)
  for _, f in ipairs(list) do
    local key = "dfs." .. prefix .. "." .. f[1]
    if f[2] == "num" then f.field = add(key, numbers[f[3]](key, f[1]))
    elseif f[2] == "text" then f.field = add(key, ProtoField.string(key, f[1]))
    elseif f[2] == "addr" then
      f.field = add(key, ProtoField.ipv6(key, f[1]))
      f.port = add(key .. ".port", ProtoField.uint16(key .. ".port", f[1] .. ".port"))
    elseif f[2] == "bytes" then f.field = add(key, ProtoField.bytes(key, f[1]))
    elseif f[2] == "secret" or f[2] == "key" then f.field = add(key, ProtoField.string(key, f[1]))
    elseif f[2] == "list" then f.field = add(key .. "_count", ProtoField.uint16(key .. "_count", f[1] .. "_count"))
    end
  end
end
for name, list in pairs(parts) do declare(name, list) end
for _, m in pairs(messages) do declare(m[1]:lower(), m[2]) end
dfs.fields = fields

local dissect

local function one(f, b, at, tree)
  local kind = f[2]
  if kind == "num" or kind == "bytes" then
    tree:add(f.field, b(at, f[3]))
    return at + f[3]
  elseif kind == "key" then
    tree:add(f.field, b(at, f[3]), "***")
    return at + f[3]
  elseif kind == "addr" then
    tree:add(f.field, b(at, 16))
    tree:add(f.port, b(at + 16, 2))
    return at + 18
  elseif kind == "text" or kind == "secret" then
    local n = b(at, 2):uint()
    local range = b(at, 2 + n)
    local value = n > 0 and b(at + 2, n):string(ENC_UTF_8) or ""
    tree:add(f.field, range, kind == "secret" and "***" or value)
    return at + 2 + n
  elseif kind == "part" then
    return dissect(parts[f[3]], b, at, tree:add(dfs, b(at), f[1]))
  end
  local n = b(at, 2):uint()
  tree:add(f.field, b(at, 2))
  at = at + 2
  for i = 1, n do at = dissect(parts[f[3]], b, at, tree:add(dfs, b(at), f[1] .. "[" .. i - 1 .. "]")) end
  return at
end

dissect = function(list, b, at, tree)
  for _, f in ipairs(list) do at = one(f, b, at, tree) end
  return at
end

function dfs.dissector(b, info, root)
  local p = push()
  if p and not p.value then return 0 end -- bulk
  if b:len() < 16 then
    if p then info.desegment_len, info.desegment_offset = DESEGMENT_ONE_MORE_SEGMENT, 0 end
    return b:len()
  end
  local body, kind = b(0, 4):uint(), messages[b(8, 2):uint()]
  if not kind then return 0 end
  if p and b:len() < 16 + body then
    info.desegment_len, info.desegment_offset = 16 + body - b:len(), 0
    return b:len()
  end
  info.cols.protocol = "dfs"
  info.cols.info = kind[1] .. " #" .. b(12, 4):uint()
  local tree = root:add(dfs, b(0, 16 + body), "dfs " .. kind[1])
  tree:add(head.body, b(0, 4))
  tree:add(head.bulk, b(4, 4))
  tree:add(head.kind, b(8, 2), kind[1])
  tree:add(head.request, b(12, 4))
  if dissect(kind[2], b(0, 16 + body):tvb(), 16, tree) ~= 16 + body then
    tree:add_expert_info(PI_MALFORMED, PI_ERROR, "bytes left over")
  end
  return 16 + body
end

DissectorTable.get("tcp.port"):add(port, dfs)
DissectorTable.get("udp.port"):add(port, dfs)
