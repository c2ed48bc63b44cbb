/* header_c99.c - both headers compile as strict C99, and the records have the sizes of version 6. */
#include "heddle_rt/artifact.h"
#include "heddle_rt/heddle_rt.h"

#include "expect.h"

int main(void) {
  EXPECT_EQ(sizeof(heddle_pack_header), 248);
  EXPECT_EQ(sizeof(heddle_entry_record), 32);
  EXPECT_EQ(sizeof(heddle_param_record), 80);
  EXPECT_EQ(sizeof(heddle_variant_record), 56);
  EXPECT_EQ(sizeof(heddle_buffer_record), 8);
  EXPECT_EQ(sizeof(heddle_node_record), 32);
  EXPECT_EQ(sizeof(heddle_slot_record), 16);
  EXPECT_EQ(sizeof(heddle_kernel_record), 44);
  EXPECT_EQ(sizeof(heddle_image_record), 32);
  EXPECT_EQ(sizeof(heddle_tensor_map_record), 40);
  EXPECT_EQ(sizeof(heddle_requirement_record), 16);
  EXPECT_EQ(heddle_rt_version(), HEDDLE_RT_VERSION);
  EXPECT(strcmp(heddle_status_name(HEDDLE_VALUE), "value") == 0);
  return expect_summary();
}
